/*
 * What is old in the journal, so that its segments become free: waiting or under way, it gets a file
 * of its own. As many as come together share the waits for the disk.
 */
#include <errno.h>

#include "attempt.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon.h"

/* At one time; they share each sync. */
#define TASKS_MAX 20
/* What is younger will mostly be gone in a moment. */
#define OLD ((int64_t)5 * 1000000)

/* One under way. Nobody ends it meanwhile. */
static void tofile_active(struct attempt *a)
{
	if (attempt_is_in_hand(a))
		return; /* it does so by itself, if it stays */
	list_remove(&a->refill_link);
	attempt_enter(a, ATTEMPT_SETTLING);
	settle_attempt(a);
	/* What was asked for while we waited. */
	attempt_read(a);
}

struct settling {
	const struct queue_id *ids;
	size_t count, next, tasks;
	int64_t older_than; /* microseconds */
	struct waitlist over;
};

static void tofile_some(void *argument)
{
	struct settling *s = argument;

	while (s->next < s->count && !qmgr.retiring) {
		struct queued *m = message_find(view_of(s->ids[s->next++].text));

		if (m == NULL || m->place.segment == 0 ||
		    queue_id_time(view_of(m->id)) > s->older_than)
			continue;
		if (m->attempt != NULL)
			tofile_active(m->attempt);
		else if (m->state == MESSAGE_WAITING)
			settle_waiting(m);
	}
	s->tasks--;
	wake_all(&s->over);
}

void tofile_old(const struct queue_id *ids, size_t count)
{
	struct settling s = { .ids = ids,
			      .count = count,
			      .tasks = MIN(count, (size_t)TASKS_MAX),
			      .older_than = clock_wall_usec() - OLD };

	WAITLIST_INIT(&s.over);
	daemon_work_begin();
	for (size_t i = s.tasks; i > 0; i--)
		task_spawn("settle", tofile_some, &s);
	while (s.tasks > 0)
		wait_on(&s.over, MSEC_FOREVER);
	daemon_work_end();
}
