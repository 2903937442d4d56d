/* Counting. Threads and children may count at once, and master reads meanwhile: hence the atomics. */
#include "base/metrics.h"

static struct metrics_page own;
static struct metrics_page *page = &own;

static const struct {
	const char *name, *help;
	enum metric_kind kind;
} metrics[] = {
#define METRIC(name, kind, help) { #name, help, METRIC_##kind },
#include "base/metrics.def"
#undef METRIC
};

void metrics_use(struct metrics_page *given)
{
	for (enum metric m = 0; m < METRIC_COUNT; m++)
		__atomic_fetch_add(&given->values[m], own.values[m], __ATOMIC_RELAXED);
	page = given;
}

void metric_add(enum metric which, int64_t by)
{
	__atomic_fetch_add(&page->values[which], by, __ATOMIC_RELAXED);
}

void metric_set(enum metric which, int64_t value)
{
	__atomic_store_n(&page->values[which], value, __ATOMIC_RELAXED);
}

int64_t metrics_page_get(const struct metrics_page *from, enum metric which)
{
	return __atomic_load_n(&from->values[which], __ATOMIC_RELAXED);
}

int64_t metric_get(enum metric which)
{
	return metrics_page_get(page, which);
}

const char *metric_name(enum metric which)
{
	return metrics[which].name;
}

const char *metric_help(enum metric which)
{
	return metrics[which].help;
}

enum metric_kind metric_kind(enum metric which)
{
	return metrics[which].kind;
}
