/* What waits for the task that begins attempts (activate.c): a word that wakes it, and a line. */
#include "base/clock.h"
#include "qmgr.h"

#define UNPARK_COUNT 100

static struct {
	struct waitlist wake;
	struct list refills;
	bool again;
} work = { .wake = WAITLIST_START(work.wake), .refills = { &work.refills, &work.refills } };

void work_wake(void)
{
	work.again = true;
	wake_all(&work.wake);
}

void work_look(void)
{
	work.again = false;
}

void work_wait(msec_t deadline)
{
	if (!work.again)
		wait_on(&work.wake, deadline);
}

void work_refill(struct attempt *a)
{
	if (!list_is_empty(&a->refill_link))
		return;
	list_push_back(&work.refills, &a->refill_link);
	work_wake();
}

struct attempt *work_first_refill(void)
{
	return LIST_FIRST(&work.refills, struct attempt, refill_link);
}

void work_unpark(struct destination *d)
{
	bool dead = d->dead_until != 0;

	if (d->waiting > CROWDED / 2 && !dead)
		return;
	for (int i = 0; (dead || i < UNPARK_COUNT) && !list_is_empty(&d->parked); i++) {
		struct queued *m = LIST_FIRST(&d->parked, struct queued, link);

		message_set_due(m, 0);
		work_wake();
	}
}
