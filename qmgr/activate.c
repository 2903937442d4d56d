/* One task begins all attempts, in the order in which they are due, and refills those under way. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "qmgr.h"

#define SECOND ((int64_t)1000000)
/* A file that somebody has locked (the qmgr before us, a writer) is looked at again. */
#define LOCKED_PAUSE ((int64_t)1 * SECOND)
/* A file without an end and without a writer, after this many seconds. */
#define ORPHAN_AGE   60
#define ORPHAN_PAUSE ((int64_t)10 * SECOND)
/* The wall clock may jump: look at it at least this often. */
#define LONGEST_WAIT ((msec_t)60000)
#define UNPARK_COUNT 100

static struct {
	struct waitlist wake;
	struct list refills;
	bool again, refill_next;
} activator = { .wake = WAITLIST_START(activator.wake),
		.refills = { &activator.refills, &activator.refills } };

void activate_wake(void)
{
	activator.again = true;
	wake_all(&activator.wake);
}

void activate_refill(struct attempt *a)
{
	if (!list_is_empty(&a->refill_link))
		return;
	list_push_back(&activator.refills, &a->refill_link);
	activate_wake();
}

void activate_unpark(struct destination *d)
{
	bool dead = d->dead_until != 0;

	if (d->waiting > CROWDED / 2 && !dead)
		return;
	for (int i = 0; (dead || i < UNPARK_COUNT) && !list_is_empty(&d->parked); i++) {
		struct queued *m = LIST_FIRST(&d->parked, struct queued, link);

		message_set_due(m, 0);
		activate_wake();
	}
}

/* A file that is no message: a writer died, or the disk did something. */
static void handle_incomplete(struct queued *m)
{
	/* In the journal nobody is still writing it: it would not be known. */
	int64_t age = m->place.segment != 0 ? -ENOENT : queue_file_age(qmgr.queue, view_of(m->id));

	if (age >= 0 && age < ORPHAN_AGE) {
		message_set_due(m, clock_wall_usec() + ORPHAN_PAUSE);
		return;
	}
	log_warning("%s: removed: never completed, its sender was told to try again", m->id);
	queue_remove(qmgr.queue, view_of(m->id), &m->place);
	message_forget(m);
}

static void handle_failure(struct queued *m, int r, const struct error *err)
{
	switch (r) {
	case -ENOENT: /* another qmgr was faster, or the administrator */
		message_forget(m);
		break;
	case -EBUSY:
		message_set_due(m, clock_wall_usec() + LOCKED_PAUSE);
		break;
	case -ENODATA:
		handle_incomplete(m);
		break;
	case -EBADMSG:
		log_error("%s: damaged, moved to the folder corrupt: %s", m->id, err->text);
		queue_set_aside(qmgr.queue, view_of(m->id), &m->place);
		message_forget(m);
		break;
	default:
		log_error("%s: %s", m->id, err->text);
		message_set_due(m, clock_wall_usec() + param.minimal_backoff_time * 1000);
	}
}

static void activate(struct queued *m)
{
	struct error err = ERROR_NONE;
	int r = attempt_begin(m, &err);

	if (r < 0)
		handle_failure(m, r, &err);
	else
		attempt_read(m->attempt);
}

/* One piece of work; false: there is none now. */
static bool activate_step(void)
{
	struct attempt *a = LIST_FIRST(&activator.refills, struct attempt, refill_link);
	struct queued *m = message_first_due();
	bool due = m != NULL && m->due.key <= clock_wall_usec() && qmgr.active < qmgr.active_limit;

	/* In turn, so that a message with many recipients does not keep the others out. */
	activator.refill_next = !activator.refill_next;
	if (a != NULL && (activator.refill_next || !due)) {
		list_remove(&a->refill_link);
		attempt_read(a);
		return true;
	}
	if (due)
		activate(m);
	return due;
}

static msec_t next_deadline(void)
{
	const struct queued *m = message_first_due();
	int64_t wait = m ? (m->due.key - clock_wall_usec()) / 1000 + 1 : LONGEST_WAIT;

	/* Due, but no room: whoever ends an attempt wakes us. */
	if (wait <= 0 && qmgr.active >= qmgr.active_limit)
		wait = LONGEST_WAIT;
	return clock_after(MAX(MIN(wait, LONGEST_WAIT), 1));
}

void activate_run(void *unused)
{
	(void)unused;
	while (!qmgr.retiring) {
		activator.again = false;
		if (activate_step()) {
			task_yield();
			continue;
		}
		schedule_revive(qmgr.schedule, clock_now());
		if (!activator.again)
			wait_on(&activator.wake, next_deadline());
	}
}
