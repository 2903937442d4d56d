/*
 * DATA, RFC 5321 4.1.1.4: the content goes to cleanup as it comes, in bounded memory; what is not
 * wanted any more is read to its end all the same, so that the reply finds its place.
 */
#include <errno.h>

#include "base/log.h"
#include "conf/conf.h"
#include "mail/dotstream.h"
#include "server.h"
#include "session.h"

/*
 * A client that sends on and on after it went over the limit is cut off, and so is one that needs
 * longer than smtpd_timeout and this rate allow.
 */
#define OVERRUN_MAX (UINT64_C(64) << 20)
#define RATE_MIN    100 /* bytes a second */

struct transfer {
	struct session *s;
	int failed; /* cleanup does not take more: negative errno */
	bool too_big;
	uint64_t size; /* of the content */
};

static void send_piece(void *argument, struct view bytes)
{
	struct transfer *transfer = argument;
	struct transaction *t = &transfer->s->transaction;

	transfer->size += bytes.len;
	if (param.message_size_limit > 0 && transfer->size > (uint64_t)param.message_size_limit)
		transfer->too_big = true;
	if (transfer->failed == 0 && !transfer->too_big && !t->discard)
		transfer->failed = submission_data(t->submission, bytes);
}

/* Reads the content. 0, or the negative errno that ended the connection. */
static int content_receive(struct session *s, struct transfer *transfer, struct dotstream *ds)
{
	msec_t begun = clock_now();
	uint64_t bytes_before = stream_bytes_in(s->io);

	while (!ds->ended) {
		uint64_t got = stream_bytes_in(s->io) - bytes_before;
		struct view bytes;

		stream_set_deadline(s->io,
				    begun + param.smtpd_timeout + (msec_t)(got * 1000 / RATE_MIN));

		int r = stream_peek(s->io, &bytes);

		if (r < 0)
			return r;
		stream_consume(s->io, dotstream_feed(ds, bytes, send_piece, transfer));
		if (transfer->too_big &&
		    transfer->size > (uint64_t)param.message_size_limit + OVERRUN_MAX)
			return -EFBIG;
	}
	return 0;
}

static bool forbids_bare_newline(const struct session *s)
{
	if (server.bare_newline != BARE_NEWLINE_NOTE && server.bare_newline != BARE_NEWLINE_REJECT)
		return false;
	return matchlist_match(server.bare_newline_exclusions, view_of(s->peer->text), NULL) <= 0;
}

/* The end-of-data restrictions. True if they let it pass. */
static bool data_permitted(struct session *s, const struct transfer *transfer, int *result)
{
	_cleanup_(policy_answer_free) struct policy_answer answer = { 0 };
	struct policy_question q;

	if (policy_is_empty(server.policy, POLICY_END_OF_DATA))
		return true;
	transaction_question(s, "END-OF-MESSAGE", &q);
	q.size = transfer->size;
	policy_ask(server.policy, POLICY_END_OF_DATA, &q, &answer);
	if (answer.action == POLICY_REJECT || answer.action == POLICY_DEFER) {
		*result = reply_refusal(s, "END-OF-MESSAGE", str_view(&answer.reply), VIEW_NONE);
		return false;
	}
	if (answer.action == POLICY_DISCARD)
		s->transaction.discard = true;
	if (answer.action == POLICY_HOLD || answer.redirect.len > 0 || answer.prepend.len > 0)
		log_warning("%s: smtpd_end_of_data_restrictions: HOLD, REDIRECT and PREPEND come "
			    "too late here",
			    session_id(s));
	return true;
}

static int content_commit(struct session *s)
{
	struct submission_verdict verdict = { 0 };
	int r = submission_commit(TAKE(s->transaction.submission), &verdict);
	s->failed = false;
	if (r < 0) {
		log_warning("%s: lost on the way to cleanup: %s", session_id(s), strerror(-r));
		r = reply(s, "451 4.3.0 Error: queue file write error");
	} else if (verdict.code < 250 || verdict.code > 599) {
		log_warning("%s: cleanup answered %u", session_id(s), verdict.code);
		r = reply(s, "451 4.3.0 Error: queue file write error");
	} else {
		r = reply(s, "%u %s %s", verdict.code, str_cstr(&verdict.status),
			  str_cstr(&verdict.text));
	}
	if (!s->failed)
		s->errors = s->junk = 0; /* a client that brings mail has earned new patience */
	submission_verdict_free(&verdict);
	return r;
}

/* The whole content has been read: what is the answer? */
static int transaction_conclude(struct session *s, const struct transfer *transfer,
				const struct dotstream *ds)
{
	int r;

	s->where = "END-OF-MESSAGE";
	if (ds->has_bare_lf && forbids_bare_newline(s)) {
		log_info("%s: bare <LF> received from %s", session_id(s), str_cstr(&s->who));
		if (server.bare_newline == BARE_NEWLINE_REJECT)
			return reply(s, "%d 5.5.2 Error: bare <LF> received",
				     (int)param.smtpd_forbid_bare_newline_reject_code);
	}
	if (transfer->too_big)
		return reply(s, "552 5.3.4 Error: message file too big");
	if (transfer->failed < 0) {
		log_warning("%s: lost on the way to cleanup: %s", session_id(s),
			    strerror(-transfer->failed));
		return reply(s, "451 4.3.0 Error: queue file write error");
	}
	if (!data_permitted(s, transfer, &r))
		return r;
	if (s->transaction.discard)
		return reply(s, "250 2.0.0 Ok: queued as %s",
			     s->transaction.queue_id.len > 0 ? session_id(s) : "DISCARD");
	return content_commit(s);
}

/* The restrictions for DATA, and a submission to send it to. True if all is ready. */
static bool content_prepare(struct session *s, int *result)
{
	_cleanup_(policy_answer_free) struct policy_answer answer = { 0 };
	struct policy_question q;

	*result = SESSION_GOES_ON;
	if (!policy_is_empty(server.policy, POLICY_DATA)) {
		transaction_question(s, "DATA", &q);
		policy_ask(server.policy, POLICY_DATA, &q, &answer);
		if (answer.action == POLICY_REJECT || answer.action == POLICY_DEFER) {
			*result = reply_refusal(s, "DATA", str_view(&answer.reply), VIEW_NONE);
			return false;
		}
		transaction_note_answer(s, &answer);
	}
	if (!s->transaction.discard && transaction_open(s) < 0) {
		transaction_reset(s);
		*result = reply(s, "451 4.3.0 Error: queue file write error");
		return false;
	}
	return true;
}

static int lost(struct session *s, int r)
{
	s->where = "DATA";
	if (r == -EFBIG) {
		log_info("endless message after DATA from %s", str_cstr(&s->who));
		reply(s, "552 5.3.4 Error: message file too big");
	} else if (r == -ETIMEDOUT) {
		log_info("timeout after DATA (%llu bytes) from %s",
			 (unsigned long long)stream_bytes_in(s->io), str_cstr(&s->who));
		reply(s, "421 4.4.2 %s Error: timeout exceeded", param.myhostname);
	} else {
		log_info("lost connection after DATA (%llu bytes) from %s",
			 (unsigned long long)stream_bytes_in(s->io), str_cstr(&s->who));
	}
	return SESSION_DONE;
}

int verb_data(struct session *s, struct view argument)
{
	struct transfer transfer = { .s = s };
	struct dotstream ds = DOTSTREAM_START;
	int r;

	if (argument.len > 0)
		return reply(s, "501 5.5.4 Syntax: DATA");
	if (s->state == STATE_MAIL)
		return reply(s, "554 5.5.1 Error: no valid recipients");
	if (!content_prepare(s, &r))
		return r;
	reply(s, "354 End data with <CR><LF>.<CR><LF>");
	ds.keep_bare_cr = !param.cleanup_replace_stray_cr_lf;
	if (!s->transaction.discard)
		transfer.failed = submission_data(s->transaction.submission,
						  str_view(&s->transaction.prepend));
	/* A message that has begun is brought to its end even while the program stops. */
	stream_finish_first(s->io, true);
	r = content_receive(s, &transfer, &ds);
	stream_finish_first(s->io, false);
	stream_set_deadline(s->io, MSEC_FOREVER);
	r = r < 0 ? lost(s, r) : transaction_conclude(s, &transfer, &ds);
	transaction_reset(s);
	return r;
}
