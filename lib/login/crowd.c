/*
 * Who is connected and has not logged in. One network may have so many connections of this kind
 * (anvil counts them, over all processes), and when there are too many, of it or of all, the
 * oldest gives way to the new one: who waits without logging in keeps nobody out.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/map.h"
#include "base/prefix.h"
#include "conf/conf.h"
#include "login/internal.h"
#include "services/clients.h"
#include "table/table.h"

static struct {
	struct list waiting;  /* oldest first */
	struct map *networks; /* how many of each wait here */
	struct matchlist *exceptions;
} crowd;

int crowd_prepare(struct error *err)
{
	list_init(&crowd.waiting);
	crowd.networks = map_new();
	crowd.exceptions = matchlist_open(param.login_client_connection_limit_exceptions,
					  MATCH_ADDRESSES, false, err);
	return crowd.exceptions != NULL ? 0 : -EINVAL;
}

static void crowd_key(const struct login *l, struct str *key)
{
	address_prefix(view_of(l->peer->text), (unsigned)param.login_client_ipv4_prefix_length,
		       (unsigned)param.login_client_ipv6_prefix_length, key);
}

/* Ends its wait for input; its task says good-bye. */
static void crowd_dismiss(struct login *l)
{
	l->gives_way = true;
	shutdown(stream_fd(l->io), SHUT_RD);
}

/* The oldest that can be spared: of this network, or (NULL) of all. */
static bool crowd_dismiss_oldest(const struct str *network)
{
	list_for_each (&crowd.waiting, struct login, link, l) {
		_cleanup_(str_free) struct str key = STR_EMPTY;

		if (l->gives_way || l->asking)
			continue;
		if (network != NULL)
			crowd_key(l, &key);
		if (network != NULL && !view_eq(str_view(&key), str_view(network)))
			continue;
		crowd_dismiss(l);
		return true;
	}
	return false;
}

bool login_make_room(void)
{
	return crowd_dismiss_oldest(NULL);
}

/* How many of a network there are now. */
static uintptr_t crowd_add(const struct str *key, int change)
{
	uintptr_t count = (uintptr_t)map_get(crowd.networks, str_view(key)) + (uintptr_t)change;

	if (count == 0)
		map_remove(crowd.networks, str_view(key));
	else
		map_put(crowd.networks, str_view(key), (void *)count);
	return count;
}

bool crowd_enter(struct login *l)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	int64_t most = param.login_client_connection_count_limit;
	uint32_t connections, rate;
	bool fits = true;

	if (most > 0 && matchlist_match(crowd.exceptions, view_of(l->peer->text), NULL) <= 0) {
		crowd_key(l, &key);
		l->waits = true;
		/* The only one here of its network is not worth the question. */
		l->counted = crowd_add(&key, 1) > 1 &&
			     anvil_event(ANVIL_CONNECT, view_of(l->protocol->service),
					 str_view(&key), &connections, &rate) == 0;
		fits = !l->counted || connections <= (uint64_t)most || crowd_dismiss_oldest(&key);
	}
	if (!fits)
		log_warning("too many connections from %s that have not logged in: rip=%s",
			    str_cstr(&key), l->peer->text);
	list_push_back(&crowd.waiting, &l->link);
	return fits;
}

void crowd_leave(struct login *l)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	uint32_t connections, rate;

	list_remove(&l->link);
	if (!l->waits)
		return;
	l->waits = false;
	crowd_key(l, &key);
	crowd_add(&key, -1);
	if (!l->counted)
		return;
	l->counted = false;
	anvil_event(ANVIL_DISCONNECT, view_of(l->protocol->service), str_view(&key), &connections,
		    &rate);
}
