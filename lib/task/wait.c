/*
 * Waiting for one another: lists of tasks that wait, a lock. Nothing here is shared
 * between threads.
 */
#include "base/mem.h"
#include "task/internal.h"

int wait_on(struct waitlist *place, msec_t deadline)
{
	struct task *task = task_current();

	list_push_back(&place->tasks, &task->link);
	return task_suspend("another task", deadline);
}

void wake_one(struct waitlist *place)
{
	struct task *task = LIST_FIRST(&place->tasks, struct task, link);

	if (task != NULL)
		task_wake(task, 0);
}

void wake_all(struct waitlist *place)
{
	while (!list_is_empty(&place->tasks))
		wake_one(place);
}

void task_lock(struct task_lock *lock)
{
	/* The one who unlocks hands the lock over, so nobody can slip in between. */
	if (lock->taken)
		wait_on(&lock->waiting, MSEC_FOREVER);
	lock->taken = true;
}

void task_unlock(struct task_lock *lock)
{
	if (list_is_empty(&lock->waiting.tasks))
		lock->taken = false;
	else
		wake_one(&lock->waiting);
}
