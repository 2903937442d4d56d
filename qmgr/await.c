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
#define AWAIT_RCPT_MAX	   10000		 /* of one message */
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
	struct map *recipients; /* in lower case, as the client gave them */
	struct list news;
	bool sending;
	bool is_over; /* all that is left is the queue's */
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

static struct waiter *waiter_find(const struct queued *m)
{
	struct waiter *w = waiters != NULL ? map_get(waiters, view_of(m->id)) : NULL;

	return w != NULL && !w->is_over ? w : NULL;
}

/* Not a blind copy, nor what a table made of it where the queue does not keep the original. */
static bool waiter_knows(const struct waiter *w, struct view given)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;

	str_append_lower(&key, given);
	return map_get(w->recipients, str_view(&key)) != NULL;
}

static struct await_news *waiter_add_news(struct waiter *w, struct view address, uint8_t outcome)
{
	struct await_news *news = mem_new(struct await_news);

	str_append(&news->address, address);
	news->outcome = outcome;
	list_push_back(&w->news, &news->link);
	return news;
}

static void waiter_wake(struct waiter *w)
{
	if (w->sending)
		return;
	w->sending = true;
	task_spawn("await", await_send, w);
}

bool await_tell(struct attempt *a, struct view address, struct view original, uint8_t outcome,
		const struct queue_reason *reason)
{
	struct waiter *w = waiter_find(a->message);
	struct view given = original.len > 0 ? original : address;
	bool success = outcome_kind_is_success(outcome);
	/* What an alias made of it is ours: the client knows only the alias. */
	bool is_itself = view_eq_nocase(address, given);
	_cleanup_(str_free) struct str shown = STR_EMPTY;
	struct await_news *news;

	if (w == NULL || !waiter_knows(w, given))
		return false;
	news = waiter_add_news(w, given, success || is_itself ? outcome : OUTCOME_EXPANDED);
	str_append(&news->text, view_first(reason->diagnostic, IPC_TEXT_MAX));
	memcpy(news->status, reason->status.data, MIN(reason->status.len, (size_t)IPC_STATUS_MAX));
	waiter_wake(w);
	if (success || !is_itself)
		return false;
	address_show(&shown, address);
	log_info("%s: to=<%s>: the LMTP client is told, and keeps it", a->message->id,
		 str_cstr(&shown));
	return true;
}

void await_release(const struct queued *m)
{
	struct waiter *w = waiter_find(m);

	if (w == NULL)
		return;
	w->is_over = true;
	waiter_add_news(w, VIEW_NONE, OUTCOME_EXPANDED);
	waiter_wake(w);
}

/* ---- waiting ---- */

static int await_read_recipients(struct ipc *ipc, uint32_t count, struct map *recipients)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;

	if (count > AWAIT_RCPT_MAX)
		return -EBADMSG;
	ipc_set_timeout(ipc, AWAIT_SEND_TIMEOUT);
	for (uint32_t i = 0; i < count; i++) {
		struct message m;
		int r = ipc_expect(ipc, MSG_awaited, &m);

		if (r < 0)
			return r;
		str_clear(&key);
		str_append_lower(&key, m.awaited.address);
		map_put(recipients, str_view(&key), recipients);
	}
	return 0;
}

int await_serve(struct ipc *ipc, const struct msg_await *asked)
{
	_cleanup_(map_freep) struct map *recipients = map_new();
	struct waiter w = { .ipc = ipc, .recipients = recipients };
	char id[QUEUE_ID_LENGTH_MAX] = "";
	struct message m;
	int r;

	if (!queue_id_is_valid(asked->queue_id))
		return -EBADMSG;
	queue_id_copy(id, asked->queue_id);
	r = await_read_recipients(ipc, asked->count, recipients);
	if (r < 0)
		return r;
	if (waiters == NULL)
		waiters = map_new();
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
