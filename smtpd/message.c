/*
 * Receiving a message, however its content comes (data.c, bdat.c): the restrictions before and
 * after it, the limits on its size and time, and cleanup's answer. Knows nothing of dots or chunks.
 */
#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"
#include "server.h"
#include "session.h"

/*
 * A client that sends on and on after it went over the limit is cut off, and so is one that needs
 * longer than smtpd_timeout and this rate allow.
 */
#define OVERRUN_MAX (UINT64_C(64) << 20)
#define RATE_MIN    100 /* bytes a second */

/* What the list for `command` says. True if the message may come, else it has been answered. */
static bool message_permitted(struct session *s, int *result)
{
	_cleanup_(policy_answer_free) struct policy_answer answer = { 0 };
	struct policy_question q;

	if (policy_is_empty(server.policy, POLICY_DATA))
		return true;
	transaction_question(s, "DATA", &q);
	policy_ask(server.policy, POLICY_DATA, &q, &answer);
	if (answer.action == POLICY_REJECT || answer.action == POLICY_DEFER) {
		*result = reply_refusal(s, "DATA", str_view(&answer.reply), VIEW_NONE);
		return false;
	}
	transaction_note_answer(s, &answer);
	return true;
}

bool message_begin(struct session *s, int *result)
{
	struct transaction *t = &s->transaction;
	int channel = -1;

	*result = SESSION_GOES_ON;
	if (!message_permitted(s, result))
		return false;
	if (!sender_permitted(s, result) || !milter_data(s, result) ||
	    !milter_channel(s, &channel, result)) {
		transaction_reset(s);
		return false;
	}
	t->reception = (struct reception){ 0 };
	if (*param.smtpd_proxy_filter != '\0' && !t->discard) {
		/* Whoever judges the content does so after the filter. */
		if (channel >= 0)
			close(channel);
		if (spool_is_used())
			t->spool = spool_new();
		if (t->spool != NULL || proxy_begin(s, result))
			return true;
		transaction_reset(s);
		return false;
	}
	if (!t->discard && transaction_open(s, channel) < 0) {
		transaction_reset(s);
		*result = reply(s, "451 4.3.0 Error: queue file write error");
		return false;
	}
	if (!t->discard)
		t->reception.failed = submission_data(t->submission, str_view(&t->prepend));
	return true;
}

void message_add(struct session *s, struct view bytes)
{
	struct transaction *t = &s->transaction;
	struct reception *reception = &t->reception;

	reception->size += bytes.len;
	if (param.message_size_limit > 0 && reception->size > (uint64_t)param.message_size_limit)
		reception->too_big = true;
	if (reception->failed == 0 && !reception->too_big && t->spool != NULL)
		reception->failed = spool_add(t->spool, bytes);
	else if (reception->failed == 0 && !reception->too_big && t->proxy != NULL)
		proxy_add(s, bytes);
	else if (reception->failed == 0 && !reception->too_big && !t->discard)
		reception->failed = submission_data(t->submission, bytes);
}

bool message_is_endless(const struct session *s, uint64_t more)
{
	uint64_t limit = (uint64_t)param.message_size_limit + OVERRUN_MAX;

	return param.message_size_limit > 0 &&
	       (more > limit || s->transaction.reception.size > limit - more);
}

void content_wait_begin(struct session *s, struct content_wait *wait)
{
	*wait = (struct content_wait){ clock_now(), stream_bytes_in(s->io) };
	/* A message that has begun is brought to its end even while the program stops. */
	stream_finish_first(s->io, true);
}

int content_wait_peek(struct session *s, const struct content_wait *wait, struct view *bytes)
{
	uint64_t got = stream_bytes_in(s->io) - wait->bytes_before;

	stream_set_deadline(s->io,
			    wait->begun + param.smtpd_timeout + (msec_t)(got * 1000 / RATE_MIN));
	return stream_peek(s->io, bytes);
}

void content_wait_end(struct session *s)
{
	stream_finish_first(s->io, false);
	stream_set_deadline(s->io, MSEC_FOREVER);
}

static bool forbids_bare_newline(const struct session *s)
{
	if (server.bare_newline != BARE_NEWLINE_NOTE && server.bare_newline != BARE_NEWLINE_REJECT)
		return false;
	return matchlist_match(server.bare_newline_exclusions, view_of(s->peer->text), NULL) <= 0;
}

/* The end-of-data restrictions. True if they let it pass. */
static bool end_of_data_permitted(struct session *s, int *result)
{
	_cleanup_(policy_answer_free) struct policy_answer answer = { 0 };
	struct policy_question q;

	if (policy_is_empty(server.policy, POLICY_END_OF_DATA))
		return true;
	transaction_question(s, "END-OF-MESSAGE", &q);
	q.size = s->transaction.reception.size;
	policy_ask(server.policy, POLICY_END_OF_DATA, &q, &answer);
	if (answer.action == POLICY_REJECT || answer.action == POLICY_DEFER) {
		*result = reply_refusal(s, "END-OF-MESSAGE", str_view(&answer.reply), VIEW_NONE);
		return false;
	}
	transaction_note_late(s, &answer);
	return true;
}

static int message_commit(struct session *s)
{
	struct submission_verdict verdict = { 0 };
	_cleanup_(ipc_freep) struct ipc *await = lmtp_await(s);
	int r = submission_commit(TAKE(s->transaction.submission), &verdict);

	s->failed = false;
	if (r < 0) {
		log_warning("%s: lost on the way to cleanup: %s", session_id(s), strerror(-r));
		r = reply(s, "451 4.3.0 Error: queue file write error");
	} else if (verdict.code < 250 || verdict.code > 599) {
		log_warning("%s: cleanup answered %u", session_id(s), verdict.code);
		r = reply(s, "451 4.3.0 Error: queue file write error");
	} else if (server.is_lmtp && verdict.code == 250) {
		s->answers = 0;
		r = lmtp_answer(s, await);
	} else {
		r = reply(s, "%u %s %s", verdict.code, str_cstr(&verdict.status),
			  str_cstr(&verdict.text));
	}
	if (!s->failed)
		s->errors = s->junk = 0; /* a client that brings mail has earned new patience */
	submission_verdict_free(&verdict);
	return r;
}

static int message_failed(struct session *s)
{
	int r = s->transaction.reception.failed;

	if (s->transaction.spool != NULL && (r == -ENOSPC || r == -EDQUOT || r == -EFBIG)) {
		log_warning("%s: smtpd_proxy_options: %s", session_id(s), strerror(-r));
		return reply(s, "452 4.3.1 Error: queue file system is full");
	}
	log_warning("%s: lost on the way to %s: %s", session_id(s),
		    *param.smtpd_proxy_filter != '\0' ? "the filter" : "cleanup", strerror(-r));
	return reply(s, "451 4.3.0 Error: queue file write error");
}

static int message_conclude(struct session *s, bool has_bare_lf)
{
	const struct reception *reception = &s->transaction.reception;
	int r;

	s->where = "END-OF-MESSAGE";
	if (has_bare_lf && forbids_bare_newline(s)) {
		log_info("%s: bare <LF> received from %s", session_id(s), str_cstr(&s->who));
		if (server.bare_newline == BARE_NEWLINE_REJECT)
			return reply(s, "%d 5.5.2 Error: bare <LF> received",
				     (int)param.smtpd_forbid_bare_newline_reject_code);
	}
	if (reception->too_big)
		return reply(s, "552 5.3.4 Error: message file too big");
	if (reception->failed < 0)
		return message_failed(s);
	if (!end_of_data_permitted(s, &r))
		return r;
	if (s->transaction.discard)
		return reply(s, "250 2.0.0 Ok: queued as %s",
			     s->transaction.queue_id.len > 0 ? session_id(s) : "DISCARD");
	if (s->transaction.spool != NULL)
		return proxy_replay(s);
	return s->transaction.proxy != NULL ? proxy_end(s) : message_commit(s);
}

int message_end(struct session *s, bool has_bare_lf)
{
	int r;

	s->answers = server.is_lmtp ? s->transaction.count : 0;
	r = message_conclude(s, has_bare_lf);
	s->answers = 0;
	return r;
}

int message_lost(struct session *s, const char *command, int r)
{
	unsigned long long bytes = stream_bytes_in(s->io);

	s->where = command;
	if (r == -EFBIG) {
		log_info("endless message after %s from %s", command, str_cstr(&s->who));
		reply(s, "552 5.3.4 Error: message file too big");
	} else if (r == -ETIMEDOUT) {
		log_info("timeout after %s (%llu bytes) from %s", command, bytes,
			 str_cstr(&s->who));
		reply(s, "421 4.4.2 %s Error: timeout exceeded", param.myhostname);
	} else {
		log_info("lost connection after %s (%llu bytes) from %s", command, bytes,
			 str_cstr(&s->who));
	}
	return SESSION_DONE;
}
