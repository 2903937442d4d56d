/*
 * Time. Deadlines are milliseconds of the monotonic clock, which never jumps; times in files,
 * headers and logs are microseconds or seconds of the wall clock (UTC, since 1970).
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

typedef int64_t msec_t; /* milliseconds, monotonic, or a duration */

#define MSEC_FOREVER INT64_MAX

msec_t clock_now(void);
/* now + duration, or MSEC_FOREVER if the duration is that. */
msec_t clock_after(msec_t duration);
int64_t clock_wall_usec(void);
int64_t clock_wall(void);

#endif
