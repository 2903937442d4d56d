/*
 * Connections to next hops that are kept for the next message. One is given only to a delivery
 * that would have made the same.
 */
#include "cache.h"

#include <errno.h>

#include "base/list.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "settings.h"
#include "task/task.h"

#define KEPT_MAX 500

struct kept {
	struct list link;
	struct session *session;
	msec_t until;
};

/* The program's state. The list is in order of `until`: all are kept equally long. */
static struct {
	struct list sessions;
	size_t count;
	bool is_ready, sweeping;
} cache;

static struct session *take_out(struct kept *kept)
{
	struct session *session = kept->session;

	list_remove(&kept->link);
	cache.count--;
	free(kept);
	return session;
}

/* Ends those whose time has come; ends itself when none is left. */
static void cache_sweep(void *argument)
{
	struct kept *kept;

	(void)argument;
	while ((kept = LIST_FIRST(&cache.sessions, struct kept, link)) != NULL) {
		msec_t left = kept->until - clock_now();

		if (left > 0)
			task_sleep(left);
		else
			session_quit(take_out(kept));
	}
	cache.sweeping = false;
}

/* Nothing to read: neither a goodbye nor the end. */
static bool is_open(struct session *session)
{
	return stream_wait(session->io, clock_now()) == -ETIMEDOUT &&
	       stream_buffered(session->io).len == 0;
}

static struct kept *cache_find(struct view key)
{
	if (cache.is_ready)
		list_for_each (&cache.sessions, struct kept, link, kept)
			if (view_eq(str_view(&kept->session->key), key))
				return kept;
	return NULL;
}

struct session *cache_take(struct view key)
{
	struct kept *kept;

	while ((kept = cache_find(key)) != NULL) {
		struct session *session = take_out(kept);

		stream_set_deadline(session->io, MSEC_FOREVER);
		if (is_open(session))
			return session;
		session_free(session);
	}
	return NULL;
}

static bool is_worth_keeping(const struct session *s)
{
	return !s->unusable && settings.connection_cache_on_demand && cache.count < KEPT_MAX &&
	       !daemon_is_retiring() &&
	       clock_now() - s->opened < settings.connection_reuse_time_limit &&
	       (settings.connection_reuse_count_limit == 0 ||
		s->uses < settings.connection_reuse_count_limit);
}

void cache_keep(struct session *session)
{
	if (!is_worth_keeping(session)) {
		session_quit(session);
		return;
	}
	if (!cache.is_ready)
		list_init(&cache.sessions);
	cache.is_ready = true;

	struct kept *kept = mem_new(struct kept);

	kept->session = session;
	kept->until = clock_after(settings.connection_cache_time_limit);
	list_push_back(&cache.sessions, &kept->link);
	cache.count++;
	if (!cache.sweeping) {
		cache.sweeping = true;
		task_spawn("kept connections", cache_sweep, NULL);
	}
}

void cache_clear(void)
{
	struct kept *kept;

	while (cache.is_ready && (kept = LIST_FIRST(&cache.sessions, struct kept, link)) != NULL)
		session_quit(take_out(kept));
}
