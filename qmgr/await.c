/*
 * Telling an LMTP session what has become of its message (RFC 2033): the client hears it for each recipient, and
 * keeps those for whom it failed. So such a recipient leaves the queue without a report, but only while the session
 * is there to hear it: from then on it is the queue's as any other.
 *
 * What is told is noted in the queue before anybody else learns of it, and the session ends its wait with a word
 * that is answered after all of it. Where either is lost in between, the client has heard nothing and tries again: a
 * message may then come twice, and is never lost.
 */
#include <errno.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/outcome.h"
#include "qmgr.h"

#define AWAITED_MAX	   10000
#define AWAIT_TIMEOUT	   ((msec_t)3600 * 1000) /* the session ends it sooner */
#define AWAIT_SEND_TIMEOUT ((msec_t)30000)

/* One result that is on its way to the session. */
struct await_news {
	struct list link;
	struct str address, text;
	char status[IPC_STATUS_MAX + 1];
	uint8_t outcome;
};
struct waiter {
	struct ipc *ipc;
	struct list news;
	bool sending;
	struct waitlist sent;
};

static struct map *waiters; /* by queue ID */

static void await_news_free(struct await_news *news)
{
	list_remove(&news->link);
	str_free(&news->address);
	str_free(&news->text);
	free(news);
}

/* ---- telling ---- */

static void await_send(void *argument)
{
	struct waiter *w = argument;
	struct await_news *news;
	int r = 0;

	while ((news = LIST_FIRST(&w->news, struct await_news, link)) != NULL) {
		if (r == 0)
			r = ipc_send(w->ipc, awaited, .address = str_view(&news->address),
				     .outcome = news->outcome, .status = view_of(news->status),
				     .text = str_view(&news->text));
		await_news_free(news);
	}
	if (r == 0)
		(void)ipc_flush(w->ipc);
	w->sending = false;
	wake_all(&w->sent);
}

bool await_tell(struct attempt *a, struct view address, struct view original, uint8_t outcome,
		const struct queue_reason *reason)
{
	struct waiter *w = waiters != NULL ? map_get(waiters, view_of(a->message->id)) : NULL;
	bool success = outcome_kind_is_success(outcome), is_itself;
	_cleanup_(str_free) struct str shown = STR_EMPTY;
	struct await_news *news;

	if (w == NULL)
		return false;
	/* What an alias made of it is ours: the client knows only the alias. */
	is_itself = original.len == 0 || view_eq_nocase(address, original);
	news = mem_new(struct await_news);
	str_append(&news->address, original.len > 0 ? original : address);
	str_append(&news->text, view_first(reason->diagnostic, IPC_TEXT_MAX));
	memcpy(news->status, reason->status.data, MIN(reason->status.len, (size_t)IPC_STATUS_MAX));
	news->outcome = success || is_itself ? outcome : OUTCOME_EXPANDED;
	list_push_back(&w->news, &news->link);
	if (!w->sending) {
		w->sending = true;
		task_spawn("await", await_send, w);
	}
	if (success || !is_itself)
		return false;
	address_show(&shown, address);
	log_info("%s: to=<%s>: the LMTP client is told, and keeps it", a->message->id,
		 str_cstr(&shown));
	return true;
}

/* ---- waiting ---- */

int await_serve(struct ipc *ipc, struct view queue_id)
{
	struct waiter w = { .ipc = ipc };
	char id[QUEUE_ID_LENGTH_MAX] = "";
	struct message m;
	int r;

	if (!queue_id_is_valid(queue_id))
		return -EBADMSG;
	if (waiters == NULL)
		waiters = map_new();
	queue_id_copy(id, queue_id);
	/* Who asks has not submitted it yet: nobody else's message can be awaited by guessing. */
	if (message_find(view_of(id)) != NULL)
		return -EBADMSG;
	if (qmgr.retiring || map_count(waiters) >= AWAITED_MAX ||
	    map_get(waiters, view_of(id)) != NULL)
		return -EAGAIN;
	list_init(&w.news);
	WAITLIST_INIT(&w.sent);
	map_put(waiters, view_of(id), &w);
	/* Also while this process retires: what it has under way it brings to its end. */
	ipc_finish_first(ipc, true);
	ipc_set_timeout(ipc, AWAIT_TIMEOUT);
	r = ipc_send(ipc, done);
	if (r == 0)
		r = ipc_flush(ipc);
	if (r == 0)
		r = ipc_receive(ipc, &m);
	if (r == 0 && m.type != MSG_await_end) {
		message_close_fd(&m);
		r = -EBADMSG;
	}
	/* From here on nothing leaves the queue by this. */
	map_remove(waiters, view_of(id));
	ipc_set_timeout(ipc, AWAIT_SEND_TIMEOUT);
	while (w.sending)
		wait_on(&w.sent, MSEC_FOREVER);
	return r < 0 ? r : ipc_send(ipc, done);
}
