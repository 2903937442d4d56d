/* Who waits for news of which mailbox, and waking them. It carries names, never mail. */
#include <errno.h>

#include "anvil.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "task/task.h"

/*
 * Folders that wait to be told to one watcher, which reads slowly; with one more they become the
 * empty name, which means any.
 */
#define PENDING_MAX 16

/* A watcher that takes no signal for so long is not there any more. */
#define SEND_TIMEOUT 30000

struct watcher {
	struct list link; /* in the list of its user */
	struct ipc *ipc;
	struct str pending[PENDING_MAX];
	size_t pending_count;
	bool any, sending;
	struct waitlist sent;
};

static struct map *users; /* lower-case name to struct list of watchers */

void watch_open(void)
{
	users = map_new();
}

static struct list *watchers_of(struct view user, bool make)
{
	struct list *watchers = map_get(users, user);

	if (watchers == NULL && make) {
		watchers = mem_new(struct list);
		list_init(watchers);
		map_put(users, user, watchers);
	}
	return watchers;
}

/* ---- telling ---- */

static void send_pending(void *argument)
{
	struct watcher *w = argument;
	int r = 0;

	while (r == 0 && (w->any || w->pending_count > 0)) {
		_cleanup_(str_free) struct str folder = STR_EMPTY;

		if (w->any) {
			w->any = false;
		} else {
			folder = w->pending[--w->pending_count];
			w->pending[w->pending_count] = STR_EMPTY;
		}
		r = ipc_send(w->ipc, new_mail, .folder = str_view(&folder));
		if (r == 0)
			r = ipc_flush(w->ipc);
	}
	w->sending = false;
	wake_all(&w->sent);
}

static void forget_pending(struct watcher *w)
{
	while (w->pending_count > 0)
		str_free(&w->pending[--w->pending_count]);
}

static void watcher_tell(struct watcher *w, struct view folder)
{
	bool known = w->any;

	for (size_t i = 0; i < w->pending_count && !known; i++)
		known = view_eq(str_view(&w->pending[i]), folder);
	if (!known && w->pending_count == PENDING_MAX) {
		forget_pending(w);
		w->any = true;
	} else if (!known) {
		str_set(&w->pending[w->pending_count++], folder);
	}
	if (!w->sending) {
		w->sending = true;
		task_spawn("signal", send_pending, w);
	}
}

void watch_signal(struct view user, struct view folder)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;

	str_append_lower(&name, user);

	struct list *watchers = watchers_of(str_view(&name), false);

	if (watchers != NULL)
		list_for_each (watchers, struct watcher, link, w)
			watcher_tell(w, folder);
}

/* ---- watching ---- */

void watch_serve(struct ipc *ipc, struct view user)
{
	struct watcher w = { .ipc = ipc };
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct message m;

	str_append_lower(&name, user);
	WAITLIST_INIT(&w.sent);

	struct list *watchers = watchers_of(str_view(&name), true);

	list_push_back(watchers, &w.link);
	/* From here on nothing is missed: the watcher looks at the mailbox when it hears this. */
	if (ipc_send(ipc, done) == 0 && ipc_flush(ipc) == 0) {
		int r;

		/* Nothing is to come but the end, and that the user has made room. */
		ipc_set_timeout(ipc, MSEC_FOREVER);
		while ((r = ipc_next_request(ipc, &m)) == 0 && m.type == MSG_anvil_room)
			full_forget(str_view(&name));
		if (r == 0) {
			message_close_fd(&m);
			log_error("a watcher of %s says %s", str_cstr(&name), message_name(m.type));
		}
	}
	list_remove(&w.link);
	if (list_is_empty(watchers)) {
		map_remove(users, str_view(&name));
		free(watchers);
	}
	/* One that is being told something may wait for its peer, but not for ever. */
	ipc_set_timeout(ipc, SEND_TIMEOUT);
	task_forget_fd(ipc_fd(ipc));
	while (w.sending)
		wait_on(&w.sent, MSEC_FOREVER);
	forget_pending(&w);
}
