/*
 * How many connections, messages, logins and failures each client has now and lately. Counts only:
 * what follows from them is decided by who asks.
 */
#include <errno.h>

#include "anvil.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"

enum { KINDS = ANVIL_TLS + 1 };

/* Old ones that are looked at for one that is not connected. */
#define ROOM_LOOKS 64

struct client {
	struct list link; /* in counts.order */
	char *key;
	uint32_t connections;
	uint32_t count[KINDS]; /* since `since`, for one anvil_rate_time_unit */
	msec_t since[KINDS];
};

struct reporter {
	pid_t pid;
	unsigned connections;
	struct map *connected; /* key as in counts.clients; the value is a number */
};

struct peak {
	uint32_t value;
	struct str who;
	int64_t when;
};

static struct {
	struct map *clients, *reporters;
	struct list order; /* of clients, the one heard of last at the end */
	struct peak most_connections, highest_rate;
	msec_t next_statistics;
	bool full;
} counts;

void counts_open(void)
{
	counts.clients = map_new();
	list_init(&counts.order);
	counts.reporters = map_new();
	counts.next_statistics = clock_after(param.anvil_status_update_time);
}

/* ---- clients ---- */

static bool is_past(const struct client *c, int kind, msec_t now)
{
	return c->count[kind] == 0 || now - c->since[kind] >= param.anvil_rate_time_unit;
}

static void counts_client_drop(struct client *c)
{
	map_remove(counts.clients, view_of(c->key));
	list_remove(&c->link);
	free(c->key);
	free(c);
}

/*
 * Who was heard of last is counted, always. Room is made by one that is not connected, if there is
 * one among the oldest; else the count of the oldest is lost.
 */
static void counts_make_room(void)
{
	struct client *oldest = LIST_FIRST(&counts.order, struct client, link);
	int looked_at = 0;

	if (!counts.full)
		log_warning("more than %d clients at a time: the oldest are forgotten",
			    COUNTS_CLIENTS_MAX);
	counts.full = true;
	list_for_each (&counts.order, struct client, link, c) {
		if (c->connections == 0) {
			oldest = c;
			break;
		}
		if (++looked_at == ROOM_LOOKS)
			break;
	}
	counts_client_drop(oldest);
}

static struct client *client_find(struct view key)
{
	struct client *c = map_get(counts.clients, key);

	if (c != NULL) {
		list_remove(&c->link);
		list_push_back(&counts.order, &c->link);
		return c;
	}
	while (map_count(counts.clients) >= COUNTS_CLIENTS_MAX)
		counts_make_room();
	c = mem_new(struct client);
	c->key = mem_strndup(key.data, key.len);
	map_put(counts.clients, view_of(c->key), c);
	list_push_back(&counts.order, &c->link);
	return c;
}

static void remember_peak(struct peak *peak, uint32_t value, struct view key)
{
	if (value <= peak->value)
		return;
	peak->value = value;
	peak->when = clock_wall();
	str_clear(&peak->who);
	str_append_printable(&peak->who, key);
}

/* ---- reporters ---- */

static struct view pid_key(const pid_t *pid)
{
	return view_make(pid, sizeof(*pid));
}

struct reporter *reporter_enter(pid_t pid)
{
	struct reporter *reporter = map_get(counts.reporters, pid_key(&pid));

	if (reporter == NULL) {
		reporter = mem_new(struct reporter);
		reporter->pid = pid;
		reporter->connected = map_new();
		map_put(counts.reporters, pid_key(&pid), reporter);
	}
	reporter->connections++;
	return reporter;
}

static void take_back(struct view key, uint32_t number)
{
	struct client *c = map_get(counts.clients, key);

	if (c != NULL)
		c->connections -= MIN(c->connections, number);
}

void reporter_leave(struct reporter *reporter)
{
	if (--reporter->connections > 0)
		return;
	map_for_each (reporter->connected, i)
		take_back(map_key_at(reporter->connected, i),
			  (uint32_t)(uintptr_t)map_value_at(reporter->connected, i));
	map_remove(counts.reporters, pid_key(&reporter->pid));
	map_free(reporter->connected);
	free(reporter);
}

/* ---- events ---- */

static void connect_one(struct reporter *reporter, struct client *c, struct view key)
{
	uintptr_t had = (uintptr_t)map_get(reporter->connected, key);

	map_put(reporter->connected, key, (void *)(had + 1));
	c->connections++;
}

/* Only what this reporter had connected: after a restart of anvil nothing is known. */
static void disconnect_one(struct reporter *reporter, struct client *c, struct view key)
{
	uintptr_t had = (uintptr_t)map_get(reporter->connected, key);

	if (had == 0)
		return;
	if (had == 1)
		map_remove(reporter->connected, key);
	else
		map_put(reporter->connected, key, (void *)(had - 1));
	c->connections -= c->connections > 0;
}

void counts_event(struct reporter *reporter, uint8_t kind, struct view service, struct view client,
		  uint32_t *connections, uint32_t *rate)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	msec_t now = clock_now();
	struct client *c;

	*connections = *rate = 0;
	str_append_lower(&key, service);
	str_append_byte(&key, ':');
	str_append_lower(&key, client);
	c = kind < KINDS ? client_find(str_view(&key)) : NULL;
	if (c == NULL)
		return;
	if (kind == ANVIL_DISCONNECT) {
		disconnect_one(reporter, c, str_view(&key));
		*connections = c->connections;
		return;
	}
	if (kind == ANVIL_CONNECT) {
		connect_one(reporter, c, str_view(&key));
		remember_peak(&counts.most_connections, c->connections, str_view(&key));
	}
	if (is_past(c, kind, now)) {
		c->since[kind] = now;
		c->count[kind] = 0;
	}
	c->count[kind]++;
	if (kind == ANVIL_CONNECT)
		remember_peak(&counts.highest_rate, c->count[kind], str_view(&key));
	*connections = c->connections;
	*rate = c->count[kind];
}

/* ---- sweeping ---- */

static void log_peak(struct peak *peak, const char *what)
{
	if (peak->value > 0)
		log_info("statistics: max %s %u for (%s)", what, peak->value, str_cstr(&peak->who));
	peak->value = 0;
}

void counts_sweep(void)
{
	msec_t now = clock_now();

	map_for_each (counts.clients, i) {
		struct client *c = map_value_at(counts.clients, i);
		bool gone = c->connections == 0;

		for (int kind = 0; kind < KINDS && gone; kind++)
			gone = is_past(c, kind, now);
		if (gone)
			counts_client_drop(c);
	}
	counts.full = false;
	if (now < counts.next_statistics)
		return;
	counts.next_statistics = now + param.anvil_status_update_time;
	log_peak(&counts.most_connections, "connection count");
	log_peak(&counts.highest_rate, "connection rate");
}
