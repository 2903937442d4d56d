/*
 * Who is connected and has not logged in. One network may have so many connections of this kind
 * (anvil counts them, over all processes); beyond that its oldest gives way to its new one. Which one
 * gives way when there are too many of all is lib/daemon's affair (daemon/spare.h).
 */
#include <errno.h>

#include "base/log.h"
#include "base/map.h"
#include "base/prefix.h"
#include "conf/conf.h"
#include "login/internal.h"
#include "services/clients.h"
#include "table/table.h"

static struct {
	struct map *networks; /* how many of each are here; not of the exceptions */
	struct matchlist *exceptions;
} crowd;

int crowd_prepare(struct error *err)
{
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

	crowd_key(l, &key);
	if (most > 0 && matchlist_match(crowd.exceptions, view_of(l->peer->text), NULL) <= 0) {
		l->waits = true;
		/* The only one here of its network is not worth the question. */
		l->counted = crowd_add(&key, 1) > 1 &&
			     anvil_event(ANVIL_CONNECT, view_of(l->protocol->service),
					 str_view(&key), &connections, &rate) == 0;
		fits = !l->counted || connections <= (uint64_t)most || spare_end_of(str_view(&key));
	}
	if (!fits)
		log_warning("too many connections from %s that have not logged in: rip=%s",
			    str_cstr(&key), l->peer->text);
	spare_add(&l->spare, stream_fd(l->io), str_view(&key));
	return fits;
}

void crowd_leave(struct login *l)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	uint32_t connections, rate;

	spare_remove(&l->spare);
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
