#include "base/metrics.h"

static int64_t values[METRIC_COUNT];

static const char *const names[] = {
#define METRIC(name, kind, help) #name,
#include "base/metrics.def"
#undef METRIC
};

static const char *const helps[] = {
#define METRIC(name, kind, help) help,
#include "base/metrics.def"
#undef METRIC
};

void metric_add(enum metric which, int64_t by)
{
	values[which] += by;
}

int64_t metric_get(enum metric which)
{
	return values[which];
}

const char *metric_name(enum metric which)
{
	return names[which];
}

const char *metric_help(enum metric which)
{
	return helps[which];
}
