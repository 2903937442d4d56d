/*
 * What time it is, on the clock that never jumps and on the wall's. One place, so that a test may
 * look at it.
 */
#include "base/clock.h"

#include <time.h>

msec_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (msec_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

msec_t clock_after(msec_t duration)
{
	msec_t at;

	if (duration == MSEC_FOREVER || __builtin_add_overflow(clock_now(), duration, &at))
		return MSEC_FOREVER;
	return at;
}

int64_t clock_wall_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_wall(void)
{
	return clock_wall_usec() / 1000000;
}
