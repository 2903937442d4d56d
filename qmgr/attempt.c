/*
 * One attempt at a message: its recipients are read from the file some at a time, resolved, sorted
 * into lots, and what becomes of them is recorded.
 */
#include <errno.h>

#include "attempt.h"
#include "base/clock.h"
#include "base/invariant.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "mail/address.h"
#include "mail/outcome.h"
#include "queue/delivery.h"

/* Larger files are checked by a worker thread. */
#define VERIFY_HERE_MAX 65536

static int verify(void *argument)
{
	return queue_file_verify(argument);
}

static int attempt_check(struct queued *m, struct queue_file *file, struct error *err)
{
	uint64_t size = queue_file_content_offset(file) + queue_file_content_size(file);
	int r;

	if (m->verified)
		return 0;
	r = size <= VERIFY_HERE_MAX ? queue_file_verify(file) : task_blocking(verify, file);
	if (r < 0)
		return error_set(err, r, "queue file %s: %s", m->id,
				 r == -EBADMSG ? "the checksum is wrong" : strerror(-r));
	m->verified = true;
	return 0;
}

/* ---- states ---- */

static bool attempt_state_may_follow(enum attempt_state from, enum attempt_state to)
{
	static const unsigned next[] = {
		[ATTEMPT_OPENING] = 1 << ATTEMPT_READING,
		[ATTEMPT_READING] = 1 << ATTEMPT_READING | 1 << ATTEMPT_DELIVERING |
				    1 << ATTEMPT_SETTLING | 1 << ATTEMPT_FINISHING,
		[ATTEMPT_DELIVERING] = 1 << ATTEMPT_READING | 1 << ATTEMPT_DELIVERING |
				       1 << ATTEMPT_SETTLING | 1 << ATTEMPT_FINISHING,
		[ATTEMPT_SETTLING] = 1 << ATTEMPT_READING,
		[ATTEMPT_FINISHING] = 0,
	};

	return (next[from] & (1u << to)) != 0;
}

/* What is so in every state, and what the present one says. */
static void attempt_invariant(const struct attempt *a)
{
	invariant(a->message->attempt == a);
	invariant(a->message->state == MESSAGE_ACTIVE);
	invariant(a->file != NULL);
	invariant(qmgr.active > 0);
	invariant(qmgr.recipients >= a->in_memory);
	/* A delivery has at least one recipient. */
	invariant(a->in_flight <= a->in_memory);
	if (a->state == ATTEMPT_SETTLING)
		invariant(list_is_empty(&a->refill_link));
	if (a->state == ATTEMPT_FINISHING) {
		invariant(a->all_read);
		invariant(a->in_memory == 0);
		invariant(list_is_empty(&a->lots));
		invariant(list_is_empty(&a->refill_link));
	}
}

void attempt_enter(struct attempt *a, enum attempt_state state)
{
	invariant(attempt_state_may_follow((enum attempt_state)a->state, state));
	a->state = (uint8_t)state;
	attempt_invariant(a);
}

bool attempt_is_in_hand(const struct attempt *a)
{
	return a->is_routing || (a->state != ATTEMPT_READING && a->state != ATTEMPT_DELIVERING);
}

/* ---- the beginning and the end ---- */

int attempt_begin(struct queued *m, struct error *err)
{
	struct queue_file *file;
	int r = queue_file_open(qmgr.queue, view_of(m->id), &m->place, QUEUE_OPEN_LOCK, &file, err);

	if (r < 0)
		return r;
	struct attempt *a = mem_new(struct attempt);

	/* Active before the check may wait: nobody else is to begin it meanwhile. */
	message_activate(m, a);
	a->message = m;
	a->file = file;
	a->started = clock_wall_usec();
	list_init(&a->lots);
	list_init(&a->kept);
	list_init(&a->refill_link);
	qmgr.active++;
	daemon_work_begin();
	r = attempt_check(m, file, err);
	if (r < 0) {
		attempt_free(a);
		return r;
	}
	const struct queue_envelope *e = queue_file_envelope(file);
	_cleanup_(str_free) struct str sender = STR_EMPTY;

	a->recorded = queue_file_next_attempt(file) != 0;
	a->expire = (queue_file_flags(file) & QUEUE_FLAG_EXPIRED) != 0;
	a->hold = a->hold || (queue_file_flags(file) & QUEUE_FLAG_HOLD) != 0;
	address_show(&sender, e->sender);
	log_info("%s: from=<%s>, size=%llu, nrcpt=%u (queue active)", m->id, str_cstr(&sender),
		 (unsigned long long)queue_file_content_size(file),
		 queue_file_recipient_count(file));
	return 0;
}

void attempt_free(struct attempt *a)
{
	invariant(a->in_memory == 0 && a->in_flight == 0 && list_is_empty(&a->lots));
	list_remove(&a->refill_link);
	attempt_forget_kept(a);
	queue_file_close(a->file);
	qmgr.active--;
	a->message->attempt = NULL;
	if (a->crowded != NULL) {
		a->crowded->keepers--;
		schedule_release(qmgr.schedule, a->crowded);
	}
	free(a);
	work_wake();
	daemon_work_end();
}

/* ---- recording ---- */

/* A result with a reason, of a message in the journal, where there is no room for reasons. */
struct kept_result {
	struct list link;
	uint64_t position;
	uint8_t outcome;
	bool reported;
	struct str status, remote, diagnostic;
};

static void attempt_keep(struct attempt *a, uint64_t position, uint8_t outcome, bool reported,
			 const struct queue_reason *reason)
{
	struct kept_result *k = mem_new(struct kept_result);

	k->position = position;
	k->outcome = outcome;
	k->reported = reported;
	str_append(&k->status, reason->status);
	str_append(&k->remote, reason->remote);
	str_append(&k->diagnostic, reason->diagnostic);
	list_push_back(&a->kept, &k->link);
}

static void record(struct attempt *a, uint64_t position, uint8_t outcome, bool reported,
		   const struct queue_reason *reason)
{
	uint64_t where = 0;
	int r = 0;

	if (reason != NULL && queue_file_in_journal(a->file)) {
		attempt_keep(a, position, outcome, reported, reason);
		return;
	}
	if (reason != NULL) {
		r = queue_file_add_reason(a->file, reason, &where);
		if (r == -EFBIG)
			r = 0; /* the outcome is what counts */
	}
	if (r == 0)
		r = queue_file_set_result(a->file, position, outcome, reported, clock_wall(),
					  where);
	/* At worst it is delivered again. */
	if (r < 0)
		log_error("%s: cannot record a result: %s", a->message->id, strerror(-r));
	a->recorded = true;
}

static void end_kept(struct kept_result *k)
{
	list_remove(&k->link);
	str_free(&k->status);
	str_free(&k->remote);
	str_free(&k->diagnostic);
	free(k);
}

void attempt_record_kept(struct attempt *a)
{
	struct kept_result *k;

	while ((k = LIST_FIRST(&a->kept, struct kept_result, link)) != NULL) {
		record(a, k->position, k->outcome, k->reported,
		       &(struct queue_reason){ .status = str_view(&k->status),
					       .remote = str_view(&k->remote),
					       .diagnostic = str_view(&k->diagnostic) });
		end_kept(k);
	}
}

void attempt_forget_kept(struct attempt *a)
{
	struct kept_result *k;

	while ((k = LIST_FIRST(&a->kept, struct kept_result, link)) != NULL)
		end_kept(k);
}

/*
 * A success that is to be told to the sender? A server with DSN, which has an address in its name,
 * tells them itself.
 */
static bool success_wanted(uint8_t notify, uint8_t outcome, struct view remote)
{
	return (notify & NOTIFY_SUCCESS) && outcome_kind_is_success(outcome) &&
	       (outcome != OUTCOME_DELIVERED || view_find_byte(remote, '[') == VIEW_NOT_FOUND);
}

bool outcome_note(struct attempt *a, uint64_t position, uint8_t notify, uint8_t outcome,
		  const struct queue_reason *reason)
{
	if (outcome == OUTCOME_DEFERRED) {
		a->any_deferred = true;
	} else if (outcome == OUTCOME_FAILED) {
		a->any_failed = true;
	} else if (success_wanted(notify, outcome, reason->remote)) {
		a->any_success = true;
	} else {
		return false;
	}
	record(a, position, outcome, false, reason);
	return true;
}

void attempt_result(struct attempt *a, struct lot *lot, struct lot_recipient *r, uint8_t outcome,
		    const struct queue_reason *reason)
{
	if (attempt_is_probe(a)) {
		probe_tell(a, lot_original(lot, r), outcome, reason->diagnostic);
		r->outcome = OUTCOME_DELIVERED;
		return;
	}
	if (await_tell(a, lot_address(lot, r), lot_original(lot, r), outcome, reason)) {
		r->outcome = OUTCOME_DELIVERED;
		return;
	}
	r->outcome = outcome;
	r->recorded = outcome_note(a, r->position, r->notify, outcome, reason);
}

/* Nothing but this delivery, and all of it well: the file is unlinked in a moment. */
static bool is_all(const struct attempt *a)
{
	return a->all_read && a->in_memory == 0 && a->in_flight == 0 && !a->any_deferred &&
	       !a->any_left && !a->any_failed && !a->any_success && !a->hold;
}

static void record_delivered(struct attempt *a, const struct batch *batch)
{
	if (is_all(a))
		return;
	for (size_t i = batch->first; i < batch->first + batch->count; i++) {
		const struct lot_recipient *r = &batch->lot->recipients[i];

		if (!r->recorded)
			record(a, r->position, r->outcome, true, NULL);
	}
}

static void drop_lot_if_finished(struct lot *lot)
{
	if (lot->next < lot->count || lot->unfinished > 0)
		return;
	struct attempt_lot *al = container_of(lot, struct attempt_lot, lot);

	list_remove(&al->link);
	free(lot->recipients);
	str_free(&lot->text);
	free(al);
}

void attempt_batch_done(struct attempt *a, const struct batch *batch,
			const struct queue_reason *otherwise)
{
	for (size_t i = batch->first; i < batch->first + batch->count; i++) {
		struct lot_recipient *r = &batch->lot->recipients[i];

		if (r->outcome == OUTCOME_PENDING)
			attempt_refuse(a, batch->lot, r, otherwise);
	}
	a->in_memory -= batch->count;
	qmgr.recipients -= batch->count;
	a->in_flight--;
	record_delivered(a, batch);
	batch->lot->unfinished--;
	drop_lot_if_finished(batch->lot);
}

/* ---- taking lots back ---- */

static void log_own(struct attempt *a, struct view address, struct view original, uint8_t outcome,
		    const struct queue_reason *reason)
{
	char dsn[IPC_STATUS_MAX + 1] = "";

	memcpy(dsn, reason->status.data, MIN(reason->status.len, IPC_STATUS_MAX));
	delivery_log(&(struct delivery_log){ .queue_id = view_of(a->message->id),
					     .address = address,
					     .original = original,
					     .diagnostic = reason->diagnostic,
					     .dsn = dsn,
					     .outcome = outcome,
					     .probe = attempt_is_probe(a),
					     .arrival = queue_file_envelope(a->file)->arrival,
					     .queued = a->started });
}

void attempt_decide(struct attempt *a, const struct queue_recipient *r, uint8_t outcome,
		    const struct queue_reason *reason)
{
	log_own(a, r->address, r->original, outcome, reason);
	if (attempt_is_probe(a)) {
		probe_tell(a, r->original, outcome, reason->diagnostic);
		record(a, r->position, OUTCOME_DELIVERED, true, NULL);
		return;
	}
	if (await_tell(a, r->address, r->original, outcome, reason)) {
		record(a, r->position, OUTCOME_DELIVERED, true, NULL);
		return;
	}
	if (!outcome_note(a, r->position, r->notify, outcome, reason))
		record(a, r->position, outcome, true, NULL);
}

void attempt_refuse(struct attempt *a, struct lot *lot, struct lot_recipient *r,
		    const struct queue_reason *reason)
{
	log_own(a, lot_address(lot, r), lot_original(lot, r), OUTCOME_DEFERRED, reason);
	attempt_result(a, lot, r, OUTCOME_DEFERRED, reason);
}

void attempt_withdraw_lot(struct attempt *a, struct lot *lot, const struct queue_reason *reason)
{
	size_t first = lot->next, count = lot->count - lot->next;

	if (count == 0)
		return;
	schedule_withdraw(lot);
	for (size_t i = first; reason != NULL && i < lot->count; i++)
		attempt_refuse(a, lot, &lot->recipients[i], reason);
	if (reason == NULL)
		a->any_left = true;
	lot->count = lot->next;
	a->in_memory -= count;
	qmgr.recipients -= count;
	drop_lot_if_finished(lot);
}

void attempt_withdraw(struct attempt *a)
{
	struct list *link = a->lots.next;

	while (link != &a->lots) {
		struct attempt_lot *al = container_of(link, struct attempt_lot, link);

		link = link->next;
		attempt_withdraw_lot(a, &al->lot, NULL);
	}
	if (!a->all_read) {
		a->all_read = true;
		a->any_left = true;
	}
	list_remove(&a->refill_link);
}
