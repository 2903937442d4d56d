/*
 * Who is connected and has not logged in. One network may have so many connections of this kind
 * (anvil counts them, over all processes); beyond that its oldest gives way to its new one. Which one
 * gives way when there are too many of all is lib/daemon's affair (daemon/spare.h). A network's only one in a process
 * is not worth the question: anvil hears of it when a second one comes.
 */
#include <errno.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/prefix.h"
#include "conf/conf.h"
#include "login/internal.h"
#include "services/clients.h"
#include "table/table.h"

struct crowd_network {
	size_t members; /* that are here; of the exceptions none is */
	size_t told;	/* of how many anvil knows */
	size_t asked;	/* of how many it is being told */
	size_t users;	/* tasks that look at this */
};

static struct {
	struct map *networks; /* by crowd_key */
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

static bool crowd_tell(const struct login *l, uint8_t kind, const struct str *key,
		       uint32_t *connections)
{
	uint32_t rate;

	return anvil_event(kind, view_of(l->protocol->service), str_view(key), connections,
			   &rate) == 0;
}

/*
 * One more or one less of this network: tells anvil of all that are here, unless there is but one. Returns how many
 * there are in all processes; 0: it was not asked, or does not answer. Others come and go meanwhile, so that what is
 * told counts when it has been told, and what is taken back when it is going to be.
 */
static uint32_t crowd_change(const struct login *l, const struct str *key, int by)
{
	struct crowd_network *network = map_get(crowd.networks, str_view(key));
	uint32_t connections = 0, left;
	bool answers = true;

	if (network == NULL) {
		network = mem_new(struct crowd_network);
		map_put(crowd.networks, str_view(key), network);
	}
	network->members += (size_t)by;
	network->users++;
	while (answers && network->members > 1 &&
	       network->told + network->asked < network->members) {
		network->asked++;
		answers = crowd_tell(l, ANVIL_CONNECT, key, &connections);
		network->asked--;
		network->told += answers;
	}
	while (network->told > network->members) {
		network->told--;
		crowd_tell(l, ANVIL_DISCONNECT, key, &left);
	}
	if (--network->users == 0 && network->members == 0) {
		map_remove(crowd.networks, str_view(key));
		free(network);
	}
	return answers ? connections : 0;
}

bool crowd_enter(struct login *l)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	int64_t most = param.login_client_connection_count_limit;
	bool fits = true;

	crowd_key(l, &key);
	if (most > 0 && matchlist_match(crowd.exceptions, view_of(l->peer->text), NULL) <= 0) {
		l->waits = true;
		fits = crowd_change(l, &key, 1) <= (uint64_t)most || spare_end_of(str_view(&key));
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

	spare_remove(&l->spare);
	if (!l->waits)
		return;
	l->waits = false;
	crowd_key(l, &key);
	crowd_change(l, &key, -1);
}
