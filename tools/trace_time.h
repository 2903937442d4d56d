/* Times in the log, and as people give them. Both in seconds of the wall clock. */
#ifndef TOOLS_TRACE_TIME_H
#define TOOLS_TRACE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/view.h"

/*
 * The time of a line: "Nov 21 23:58:21" (whose year is the last that it can be, seen from `now`), or
 * "2026-11-21T23:58:21.123456+01:00". False: it is none.
 */
bool trace_time_of_line(struct view text, int64_t now, int64_t *seconds);
/* "2026-11-21", "2026-11-21 10:00", "10:00" (today), or how long ago: "30m", "2h", "1d". */
bool trace_time_given(const char *text, int64_t now, int64_t *seconds);

#endif
