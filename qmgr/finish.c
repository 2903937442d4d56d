/* The end of an attempt: reports are made, the message is removed or put off. */
#include <errno.h>

#include "attempt.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "services/clients.h"

int64_t finish_backoff(int64_t age, int64_t shortest, int64_t longest)
{
	int64_t wait = MAX(shortest, MIN(age, longest));

	/* What was put off together does not come back together. */
	return wait + (int64_t)random_below((uint32_t)MIN(wait / 10, INT32_MAX) + 1);
}

static int64_t age_of(const struct attempt *a)
{
	return MAX(clock_wall() - queue_file_envelope(a->file)->arrival / 1000000, 0);
}

static bool has_null_sender(const struct attempt *a)
{
	return queue_file_envelope(a->file)->sender.len == 0;
}

static bool is_too_old(const struct attempt *a)
{
	msec_t lifetime =
		has_null_sender(a) ? param.bounce_queue_lifetime : param.maximal_queue_lifetime;

	return a->any_deferred && age_of(a) >= lifetime / 1000;
}

static bool delay_is_due(const struct attempt *a)
{
	return a->any_deferred && param.delay_warning_time > 0 && !has_null_sender(a) &&
	       !(queue_file_flags(a->file) & QUEUE_FLAG_DELAY_WARNED) &&
	       age_of(a) >= param.delay_warning_time / 1000;
}

/* ---- reports ---- */

static bool anybody_wants(struct attempt *a, uint8_t kind)
{
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;

	while (queue_file_next_recipient(a->file, &cursor, &r) > 0)
		if (queue_recipient_wants_report(&r, kind))
			return true;
	return false;
}

/* 0: it is in the queue, or nobody wants one. */
static int recipient_report(struct attempt *a, uint8_t kind)
{
	if (attempt_is_probe(a) || !anybody_wants(a, kind))
		return 0;
	if (has_null_sender(a)) {
		log_info("%s: undeliverable, and there is no sender to tell: dropped",
			 a->message->id);
		return kind == REPORT_FAILURE && notice_is_wanted("2bounce") ? report_send(a, kind)
									     : 0;
	}
	return report_send(a, kind);
}

static bool is_reported_by(const struct queue_recipient *r, uint8_t kind)
{
	if (r->reported)
		return false;
	return kind == REPORT_FAILURE ? r->outcome == OUTCOME_FAILED
				      : queue_recipient_wants_report(r, kind);
}

/* Before the file is unlinked: a crash in between then costs at most a second report. */
static void mark_reported(struct attempt *a, uint8_t kind)
{
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;

	while (queue_file_next_recipient(a->file, &cursor, &r) > 0)
		if (is_reported_by(&r, kind))
			queue_file_set_result(a->file, r.position, r.outcome, true, r.when,
					      r.reason);
}

static void attempt_report_all(struct attempt *a)
{
	if (a->any_failed && recipient_report(a, REPORT_FAILURE) == 0) {
		mark_reported(a, REPORT_FAILURE);
		a->any_failed = false;
	}
	if (a->any_success && recipient_report(a, REPORT_SUCCESS) == 0) {
		mark_reported(a, REPORT_SUCCESS);
		a->any_success = false;
	}
	if (delay_is_due(a) && recipient_report(a, REPORT_DELAY) == 0)
		queue_file_set_state(a->file, queue_file_flags(a->file) | QUEUE_FLAG_DELAY_WARNED,
				     queue_file_next_attempt(a->file));
}

/* ---- the end ---- */

static void queue_remove_file(struct attempt *a)
{
	struct queued *m = a->message;
	struct queue_file *file = TAKE(a->file);

	attempt_free(a);
	remove_message(m, file);
}

/* The time of the next attempt, kept in the file too. */
static void defer(struct attempt *a)
{
	struct queued *m = a->message;
	int64_t wait = finish_backoff(age_of(a), param.minimal_backoff_time / 1000,
				      param.maximal_backoff_time / 1000);
	int64_t next = clock_wall() + wait;
	int r = queue_file_set_state(a->file, queue_file_flags(a->file), next);

	if (r < 0)
		log_error("%s: cannot record the time of its next attempt: %s", m->id,
			  strerror(-r));
	m->deferred = true;
	summary_make(m, a->file);
	attempt_free(a);
	message_set_due(m, next * 1000000);
	if (message_count() > (size_t)param.qmgr_message_waiting_limit) {
		message_forget(m);
		message_note_overflow(next * 1000000);
	}
}

/* Untried, and we retire: it stays as it is, for the qmgr after us. */
static bool is_left_to_next(const struct attempt *a)
{
	return qmgr.retiring && !a->hold && !a->any_deferred && !a->any_failed && !a->any_success;
}

static void put_back(struct attempt *a)
{
	struct queued *m = a->message;
	struct destination *crowded = a->crowded;
	bool park = crowded != NULL && !a->any_deferred && !a->any_failed && !a->any_success;

	m->flush = false;
	if (a->hold) {
		summary_make(m, a->file);
		attempt_free(a);
		message_hold(m);
		await_release(m);
	} else if (is_left_to_next(a)) {
		if (queue_file_in_journal(a->file))
			queue_mark(qmgr.queue, &m->place, QUEUE_RECORD_LIVE);
		attempt_free(a);
		message_set_due(m, INT64_MAX);
	} else if (park && crowded->waiting > CROWDED / 2) {
		message_park(m, crowded);
		attempt_free(a);
	} else if (park) {
		attempt_free(a);
		message_set_due(m, 0);
	} else {
		defer(a);
	}
}

/* Nothing of it is left to be done. */
static bool is_over(const struct attempt *a)
{
	return a->deleted ||
	       (!a->any_deferred && !a->any_left && !a->any_failed && !a->any_success);
}

/* What stays in the queue stays in a file of its own. */
static bool must_settle(const struct attempt *a)
{
	return queue_file_in_journal(a->file) && !is_over(a) && !is_left_to_next(a);
}

/* The disk is full, perhaps: as if it had not been tried, but for what was delivered. */
static void try_later(struct attempt *a)
{
	struct queued *m = a->message;

	attempt_free(a);
	message_set_due(m, clock_wall_usec() + param.minimal_backoff_time * 1000);
}

static void attempt_finish_now(void *argument)
{
	struct attempt *a = argument;

	if (must_settle(a) && settle_attempt(a) < 0) {
		try_later(a);
		return;
	}
	if (is_too_old(a)) {
		_cleanup_(str_free) struct str sender = STR_EMPTY;

		address_show(&sender, queue_file_envelope(a->file)->sender);
		log_info("%s: from=<%s>, status=expired, returned to sender", a->message->id,
			 str_cstr(&sender));
		attempt_expire(a);
	}
	if (!a->deleted)
		attempt_report_all(a);
	/* Asked for while the report was on its way. */
	if (is_over(a))
		queue_remove_file(a);
	else
		put_back(a);
}

void finish_if_done(struct attempt *a)
{
	if (!a->all_read || a->in_memory > 0 || a->in_flight > 0 || attempt_is_in_hand(a))
		return;
	list_remove(&a->refill_link);
	attempt_enter(a, ATTEMPT_FINISHING);
	/* What waits for bounce or the disk needs a task of its own. */
	if (a->any_failed || a->any_success || is_too_old(a) || delay_is_due(a) || must_settle(a))
		task_spawn("finish", attempt_finish_now, a);
	else
		attempt_finish_now(a);
}
