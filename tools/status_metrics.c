/*
 * posta status --metrics: what the programs counted, in Prometheus' text form (exposition format
 * 0.0.4). The names come from the table metrics.def; the label is the service of master.cf.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "tools/status.h"
#include "tools/tool.h"

#define ANSWER_TIME 30000

struct sample {
	char *service;
	uint32_t number;
	int64_t value;
};
struct samples {
	struct sample *items;
	size_t count;
};

static void samples_free(struct samples *samples)
{
	for (size_t i = 0; i < samples->count; i++)
		free(samples->items[i].service);
	free(samples->items);
}

static int samples_read(struct ipc *ipc, struct samples *samples)
{
	struct message m;
	int r = ipc_send(ipc, master_metrics);

	while (r == 0 && (r = ipc_receive(ipc, &m)) == 0 && m.type == MSG_metric) {
		const struct msg_metric *metric = &m.metric;

		if (metric->number >= METRIC_COUNT) /* of a newer master */
			continue;
		array_grow(samples->items, samples->count);
		samples->items[samples->count++] = (struct sample){
			.service = mem_strndup(metric->service.data, metric->service.len),
			.number = metric->number,
			.value = metric->value,
		};
	}
	return r < 0 ? r : m.type == MSG_done ? 0 : -EBADMSG;
}

/* A value of a label: backslash, quote and line feed are escaped. */
static void print_label(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '"')
			putchar('\\');
		putchar(*text);
	}
}

static void print_metric(const struct samples *samples, enum metric which)
{
	bool counter = metric_kind(which) == METRIC_COUNTER;
	const char *name = metric_name(which), *end = counter ? "_total" : "";

	printf("# HELP posta_%s%s %s\n", name, end, metric_help(which));
	printf("# TYPE posta_%s%s %s\n", name, end, counter ? "counter" : "gauge");
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *s = &samples->items[i];

		if (s->number != (uint32_t)which)
			continue;
		printf("posta_%s%s{service=\"", name, end);
		print_label(s->service);
		printf("\"} %" PRId64 "\n", s->value);
	}
}

int status_metrics(struct ipc *ipc)
{
	_cleanup_(samples_free) struct samples samples = { NULL, 0 };
	int r;

	ipc_set_timeout(ipc, ANSWER_TIME);
	r = samples_read(ipc, &samples);
	if (r < 0)
		return tool_fail("status", "master: %s", strerror(-r));
	for (enum metric m = 0; m < METRIC_COUNT; m++)
		print_metric(&samples, m);
	return TOOL_DONE;
}

int status_metrics_sum(struct ipc *ipc, int64_t sums[static METRIC_COUNT], struct str *open)
{
	_cleanup_(samples_free) struct samples samples = { NULL, 0 };
	int r;

	ipc_set_timeout(ipc, ANSWER_TIME);
	r = samples_read(ipc, &samples);
	for (size_t i = 0; i < samples.count; i++) {
		const struct sample *s = &samples.items[i];
		size_t name = strcspn(s->service, " ");

		sums[s->number] += s->value;
		/* Of what clients talk to: "smtp inet". */
		if (s->number == METRIC_connections_open && s->value > 0 &&
		    strcmp(s->service + name, " inet") == 0)
			str_printf(open, "%s%.*s %" PRId64, open->len > 0 ? ", " : "", (int)name,
				   s->service, s->value);
	}
	return r;
}
