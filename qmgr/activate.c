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
	static bool refill_next;
	struct attempt *a = work_first_refill();
	struct queued *m = message_first_due();
	bool due = m != NULL && m->due.key <= clock_wall_usec() && qmgr.active < qmgr.active_limit;

	/* In turn, so that a message with many recipients does not keep the others out. */
	refill_next = !refill_next;
	if (a != NULL && (refill_next || !due)) {
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
		work_look();
		if (activate_step()) {
			task_yield();
			continue;
		}
		schedule_revive(qmgr.schedule, clock_now());
		work_wait(next_deadline());
	}
}
