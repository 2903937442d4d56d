/* What an administrator does to a message. */
#include <errno.h>

#include "attempt.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control.h"
#include "mail/address.h"

/* Changes the flags in the file, through the attempt that has it open if there is one. */
static int change_flags(struct queued *m, uint32_t set, uint32_t clear, bool due_now)
{
	struct queue_file *opened = NULL;
	struct queue_file *f = m->attempt ? m->attempt->file : NULL;
	struct error err = ERROR_NONE;
	int r = 0;

	/* What is held or waits for longer does not keep a segment of the journal. */
	if (m->state == MESSAGE_WAITING && m->place.segment != 0)
		r = settle_waiting(m);
	if (r == 0 && f == NULL) {
		r = queue_file_open(qmgr.queue, view_of(m->id), &m->place, 0, &opened, &err);
		f = opened;
	}
	if (r == 0)
		r = queue_file_set_state(f, (queue_file_flags(f) | set) & ~clear,
					 due_now ? 0 : queue_file_next_attempt(f));
	if (r == 0 && opened != NULL)
		summary_make(m, opened);
	queue_file_close(opened);
	if (r < 0)
		log_error("%s: cannot change its state: %s", m->id,
			  err.text[0] ? err.text : strerror(-r));
	return r;
}

/* Lets the attempt end as soon as the deliveries under way have. */
static void act_stop_attempt(struct attempt *a)
{
	if (attempt_is_in_hand(a))
		return; /* it looks at the flags when the report is made */
	attempt_withdraw(a);
	attempt_continue(a);
}

static int act_hold(struct queued *m)
{
	int r = change_flags(m, QUEUE_FLAG_HOLD | QUEUE_FLAG_BY_HAND, 0, false);

	if (r < 0)
		return r;
	log_info("%s: placed on hold", m->id);
	if (m->attempt != NULL) {
		m->attempt->hold = true;
		act_stop_attempt(m->attempt);
	} else {
		message_hold(m);
	}
	return 0;
}

static int act_release(struct queued *m)
{
	if (m->state != MESSAGE_HELD && !(m->attempt && m->attempt->hold))
		return -EINVAL;
	int r = change_flags(m, 0, QUEUE_FLAG_HOLD | QUEUE_FLAG_BY_HAND, false);

	if (r < 0)
		return r;
	log_info("%s: released from hold", m->id);
	if (m->attempt != NULL)
		m->attempt->hold = false;
	else
		message_set_due(m, clock_wall_usec());
	work_wake();
	return 0;
}

void act_drop(struct queued *m, const char *why)
{
	log_info("%s: removed: %s", m->id, why);
	remove_message(m, NULL);
}

static int delete (struct queued *m)
{
	if (m->attempt != NULL) {
		log_info("%s: to be deleted by hand, deliveries under way go on", m->id);
		m->attempt->deleted = true;
		act_stop_attempt(m->attempt);
		return 0;
	}
	log_info("%s: removed by hand", m->id);
	remove_message(m, NULL);
	return 0;
}

static int flush(struct queued *m)
{
	if (m->state == MESSAGE_HELD)
		return -EINVAL;
	m->flush = true;
	if (m->state == MESSAGE_WAITING || m->state == MESSAGE_PARKED)
		message_set_due(m, clock_wall_usec());
	work_wake();
	return 0;
}

/* Each attempt looks up routes afresh, so this is a flush that forgets the hold too. */
static int requeue(struct queued *m)
{
	int r = change_flags(m, 0, QUEUE_FLAG_HOLD | QUEUE_FLAG_BY_HAND, true);

	if (r < 0)
		return r;
	log_info("%s: requeued", m->id);
	if (m->attempt != NULL)
		m->attempt->hold = false;
	else
		message_set_due(m, clock_wall_usec());
	m->flush = true;
	work_wake();
	return 0;
}

static int act_expire(struct queued *m)
{
	int r = change_flags(m, QUEUE_FLAG_EXPIRED, 0, false);

	if (r < 0)
		return r;
	log_info("%s: expired by hand", m->id);
	if (m->attempt != NULL)
		act_stop_attempt(m->attempt);
	else if (m->state != MESSAGE_HELD)
		message_set_due(m, clock_wall_usec());
	work_wake();
	return 0;
}

int act_on(struct queued *m, uint8_t action)
{
	static int (*const actions[])(struct queued * m) = {
		[QUEUE_ACT_FLUSH] = flush,	   [QUEUE_ACT_HOLD] = act_hold,
		[QUEUE_ACT_RELEASE] = act_release, [QUEUE_ACT_DELETE] = delete,
		[QUEUE_ACT_REQUEUE] = requeue,	   [QUEUE_ACT_EXPIRE] = act_expire,
	};

	if (m->state == MESSAGE_REMOVING || m->state == MESSAGE_SETTLING ||
	    action >= ARRAY_SIZE(actions))
		return -EINVAL;
	return actions[action](m);
}

bool act_goes_to(const struct queued *m, struct view domain)
{
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;

	if (queue_file_open(qmgr.queue, view_of(m->id), &m->place, 0, &f, NULL) < 0)
		return false;
	while (queue_file_next_recipient(f, &cursor, &r) > 0) {
		struct view local, its_domain;

		address_split(r.address, &local, &its_domain);
		if (queue_recipient_is_unfinished(&r) && view_eq_nocase(its_domain, domain))
			return true;
	}
	return false;
}

static void revive_transport(struct transport *t)
{
	t->dead_until = 0;
}

void act_revive_all(void)
{
	schedule_each_transport(qmgr.schedule, revive_transport);
	schedule_revive(qmgr.schedule, INT64_MAX);
	work_wake();
}
