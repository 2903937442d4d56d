/*
 * Counters and gauges, from the table metrics.def. Each process counts its own.
 *
 *	metric_add(METRIC_smtpd_connections, 1);
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdint.h>

enum metric {
#define METRIC(name, kind, help) METRIC_##name,
#include "base/metrics.def"
#undef METRIC
	METRIC_COUNT
};

void metric_add(enum metric which, int64_t by);
int64_t metric_get(enum metric which);
const char *metric_name(enum metric which);
const char *metric_help(enum metric which);

#endif
