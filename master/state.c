/*
 * What all of master asks about itself: the plan in force, whether it is root, whether it stops.
 * It knows none of the others.
 */
#include <unistd.h>

#include "master.h"
#include "task/task.h"

static struct {
	struct plan plan;
	bool stopping;
	struct waitlist stop;
} state = { .stop = WAITLIST_START(state.stop) };

struct plan *plan_in_force(void)
{
	return &state.plan;
}

bool master_is_root(void)
{
	static int is_root = -1;

	if (is_root < 0)
		is_root = geteuid() == 0;
	return is_root == 1;
}

bool master_is_stopping(void)
{
	return state.stopping;
}

void master_stop(void)
{
	state.stopping = true;
	wake_all(&state.stop);
}

void master_wait_stop(void)
{
	while (!state.stopping)
		wait_on(&state.stop, MSEC_FOREVER);
}
