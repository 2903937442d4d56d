/*
 * What LMTP (RFC 2033) has that SMTP has not: an answer for each recipient after the content. The message is in the
 * queue, as any other; the queue manager tells what became of each, and only what it does not know within
 * lmtpd_result_time is answered by "queued".
 */
#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/outcome.h"
#include "server.h"
#include "session.h"

#define LMTP_TEXT_MAX 400 /* bytes of a reason that is passed on */
#define LMTP_END_TIME ((msec_t)10000)

/* X.2.2 has codes of its own (RFC 3463, RFC 5321). */
static unsigned lmtp_code(uint8_t outcome, struct view status)
{
	bool full = view_ends(status, VIEW(".2.2"));

	if (outcome_kind_is_success(outcome))
		return 250;
	if (outcome == OUTCOME_FAILED)
		return full ? 552 : 550;
	return full ? 452 : 450;
}

static void lmtp_take_result(struct session *s, struct str *answers, const struct msg_awaited *m)
{
	struct transaction *t = &s->transaction;
	bool success = outcome_kind_is_success(m->outcome);

	for (size_t i = 0; i < t->count; i++) {
		struct str *answer = &answers[i];

		if (m->address.len > 0 &&
		    !view_eq_nocase(str_view(&t->recipients[i].address), m->address))
			continue;
		/* What an alias made of it arrived, and it itself did not: then it is the client's. */
		if (answer->len > 0 && success)
			continue;
		str_clear(answer);
		if (m->outcome == OUTCOME_EXPANDED) {
			str_printf(answer, "250 2.0.0 Ok: queued as %s", session_id(s));
			continue;
		}
		str_printf(answer, "%u %.*s <", lmtp_code(m->outcome, m->status),
			   VIEW_ARG(m->status));
		address_show(answer, m->address);
		str_append(answer, VIEW("> "));
		str_append_printable(answer, view_first(m->text, LMTP_TEXT_MAX));
	}
}

static size_t lmtp_count_open(const struct session *s, const struct str *answers)
{
	size_t open = 0;

	for (size_t i = 0; i < s->transaction.count; i++)
		open += answers[i].len == 0;
	return open;
}

/* True: what has no answer is the queue's. False: nobody knows whether it is. */
static bool lmtp_wait(struct session *s, struct ipc *await, struct str *answers)
{
	msec_t deadline = clock_after(param.lmtpd_result_time);
	struct msg_awaited m;
	int r = 1;

	while (r == 1 && lmtp_count_open(s, answers) > 0) {
		r = queue_await_next(await, deadline, &m);
		if (r == 1)
			lmtp_take_result(s, answers, &m);
	}
	if (r < 1 && r != -ETIMEDOUT)
		return false;
	if (queue_await_end(await) < 0)
		return false;
	/* What was told before the end was heard. */
	deadline = clock_after(LMTP_END_TIME);
	while ((r = queue_await_next(await, deadline, &m)) == 1)
		lmtp_take_result(s, answers, &m);
	return r == 0;
}

struct ipc *lmtp_await(struct session *s)
{
	const struct transaction *t = &s->transaction;

	/* What is put on hold has no result. */
	if (!server.is_lmtp || t->hold || param.lmtpd_result_time == 0)
		return NULL;

	_cleanup_free_ struct view *recipients = mem_new_array(struct view, t->count);

	for (size_t i = 0; i < t->count; i++)
		recipients[i] = str_view(&t->recipients[i].address);
	return queue_await(str_view(&t->queue_id), recipients, t->count);
}

int lmtp_answer(struct session *s, struct ipc *await)
{
	size_t count = s->transaction.count;
	struct str *answers = mem_new_array(struct str, count);
	bool known = await == NULL || lmtp_wait(s, await, answers);
	int r = SESSION_GOES_ON;

	for (size_t i = 0; i < count; i++) {
		if (r != SESSION_GOES_ON)
			; /* the rest hears nothing more */
		else if (answers[i].len > 0)
			r = reply_text(s, str_view(&answers[i]));
		else if (known)
			r = reply(s, "250 2.0.0 Ok: queued as %s", session_id(s));
		else
			r = reply(s, "451 4.3.0 Error: what became of it is not known");
		str_free(&answers[i]);
	}
	free(answers);
	return r;
}
