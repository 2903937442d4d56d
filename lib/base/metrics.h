/*
 * Counters and gauges, from the table metrics.def. Each process counts its own, in a page that
 * master gave it and reads (metrics_use), so that a count needs no message and outlives a crash.
 * Children that a program forks count in the same page. Without a page (tools, tests) the values
 * are the process's own.
 *
 *	metric_add(METRIC_connections, 1);
 *
 * A metric is one line in the table and the lines that count it: `posta status --metrics` prints
 * what the table has.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stddef.h>
#include <stdint.h>

enum metric {
#define METRIC(name, kind, help) METRIC_##name,
#include "base/metrics.def"
#undef METRIC
	METRIC_COUNT
};
enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

/* What a page holds. Another process may write to it at any moment. */
struct metrics_page {
	int64_t values[METRIC_COUNT];
};

/* From now on counts are kept in this page, which stays mapped for ever. */
void metrics_use(struct metrics_page *page);
void metric_add(enum metric which, int64_t by);
/* For gauges that one place knows. */
void metric_set(enum metric which, int64_t value);
int64_t metric_get(enum metric which);
/* A value of a page, read whole. */
int64_t metrics_page_get(const struct metrics_page *page, enum metric which);

const char *metric_name(enum metric which);
const char *metric_help(enum metric which);
enum metric_kind metric_kind(enum metric which);

#endif
