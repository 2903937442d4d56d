/*
 * What filters or policies have put on hold is not kept for ever (quarantine_lifetime). What people
 * have put on hold stays until they say otherwise.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "control.h"
#include "qmgr.h"

#define QUARANTINE_PAUSE ((msec_t)600 * 1000) /* between two looks, at most */
#define YIELD_EVERY	 100

/* Because of its age; that a filter holds it is read from its file, and only then. */
static bool quarantine_is_over(const struct queued *m)
{
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;

	if (m->state != MESSAGE_HELD || m->attempt != NULL ||
	    queue_id_time(view_of(m->id)) > clock_wall_usec() - param.quarantine_lifetime * 1000 ||
	    queue_file_open(qmgr.queue, view_of(m->id), &m->place, 0, &f, NULL) < 0)
		return false;
	return (queue_file_flags(f) & (QUEUE_FLAG_HOLD | QUEUE_FLAG_BY_HAND)) == QUEUE_FLAG_HOLD &&
	       queue_file_envelope(f)->held.len > 0;
}

static void quarantine_look(void)
{
	size_t count;
	_cleanup_free_ struct queue_id *ids = message_ids(&count);

	for (size_t i = 0; i < count && !qmgr.retiring; i++) {
		struct queued *m = message_find(view_of(ids[i].text));

		if (m != NULL && quarantine_is_over(m))
			act_drop(m, "its time in quarantine is over (quarantine_lifetime)");
		if (i % YIELD_EVERY == YIELD_EVERY - 1)
			task_yield();
	}
}

void quarantine_run(void *unused)
{
	(void)unused;
	while (!qmgr.retiring && param.quarantine_lifetime > 0) {
		quarantine_look();
		if (task_pause(MIN(QUARANTINE_PAUSE, MAX(param.quarantine_lifetime / 2, 500))) < 0)
			return;
	}
}
