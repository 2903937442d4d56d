/* posta queue top, and qshape: the queue at a glance, counted by site, sender and reason, or by age. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "mail/address.h"
#include "tools/tool.h"
#include "tools/verb_queue.h"

#define TOP_LINES    10
#define REASON_SHOWN 100
#define BUCKETS_MAX  32
/* qshape's. */
#define DOMAIN_WIDTH_MIN 18

struct count_line {
	struct view key;		  /* the map's */
	uint64_t counts[BUCKETS_MAX + 1]; /* in all, then by age */
};

static void count_add(struct map *counts, struct view key, size_t bucket)
{
	struct count_line *line = map_get(counts, key);

	if (line == NULL) {
		line = mem_new(struct count_line);
		map_put(counts, key, line);
	}
	line->counts[0]++;
	line->counts[bucket]++;
}

/* The one with most in front; with as many, in the order of their names. */
static int count_compare(const void *left, const void *right)
{
	const struct count_line *a = *(struct count_line *const *)left,
				*b = *(struct count_line *const *)right;

	if (a->counts[0] != b->counts[0])
		return a->counts[0] < b->counts[0] ? 1 : -1;
	return view_compare(a->key, b->key);
}

static struct count_line **count_sort(const struct map *counts, size_t *count)
{
	struct count_line **lines = mem_new_array(struct count_line *, map_count(counts) + 1);

	*count = 0;
	map_for_each (counts, i) {
		struct count_line *line = map_value_at(counts, i);

		line->key = map_key_at(counts, i);
		lines[(*count)++] = line;
	}
	qsort(lines, *count, sizeof(*lines), count_compare);
	return lines;
}

static void count_free(struct map *counts)
{
	map_for_each (counts, i)
		free(map_value_at(counts, i));
	map_free(counts);
}

static void append_domain(struct str *out, struct view address)
{
	struct view local, domain;

	str_clear(out);
	address_split(address, &local, &domain);
	str_append_lower(out, address.len == 0 ? VIEW("MAILER-DAEMON") : domain);
	if (address.len == 0)
		str_set(out, VIEW("MAILER-DAEMON"));
}

/* ---- posta queue top ---- */

struct top {
	struct map *sites, *senders, *reasons;
	uint64_t messages, bytes, states[QUEUE_STATE_HOLD + 1];
	int64_t oldest;
};

static int top_count(void *argument, const struct queue_entry *e)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct top *top = argument;

	top->messages++;
	top->bytes += e->size;
	if (e->state <= QUEUE_STATE_HOLD)
		top->states[e->state]++;
	if (top->oldest == 0 || e->arrival < top->oldest)
		top->oldest = e->arrival;
	count_add(top->senders, e->sender.len > 0 ? str_view(&e->sender) : VIEW("<>"), 1);
	for (size_t i = 0; i < e->count; i++) {
		append_domain(&text, queue_entry_address(e, i));
		count_add(top->sites, str_view(&text), 1);
		if (e->recipients[i].reason_size > 0)
			count_add(top->reasons, view_first(queue_entry_reason(e, i), REASON_SHOWN),
				  1);
	}
	return 0;
}

static void top_print(const char *title, const struct map *counts)
{
	size_t count;
	_cleanup_free_ struct count_line **lines = count_sort(counts, &count);

	if (count > 0)
		printf("\n%s\n", title);
	for (size_t i = 0; i < MIN(count, (size_t)TOP_LINES); i++) {
		_cleanup_(str_free) struct str text = STR_EMPTY;

		str_append_printable(&text, lines[i]->key);
		printf("%8llu  %s\n", (unsigned long long)lines[i]->counts[0], str_cstr(&text));
	}
	if (count > TOP_LINES)
		printf("%8s  and %zu more\n", "", count - TOP_LINES);
}

int queue_top(const struct queue_source *source)
{
	struct top top = { map_new(), map_new(), map_new(), .messages = 0 };
	int status = queue_entries(source, top_count, &top);

	printf("%llu messages, %llu Kbytes: %llu incoming, %llu active, %llu deferred, %llu on "
	       "hold\n",
	       (unsigned long long)top.messages, (unsigned long long)top.bytes / 1024,
	       (unsigned long long)top.states[QUEUE_STATE_INCOMING],
	       (unsigned long long)top.states[QUEUE_STATE_ACTIVE],
	       (unsigned long long)top.states[QUEUE_STATE_DEFERRED],
	       (unsigned long long)top.states[QUEUE_STATE_HOLD]);
	if (top.oldest != 0)
		printf("the oldest has waited for %lld minutes\n",
		       (long long)MAX(clock_wall() - top.oldest, 0) / 60);
	top_print("recipients by site", top.sites);
	top_print("messages by sender", top.senders);
	top_print("recipients by reason", top.reasons);
	count_free(top.sites);
	count_free(top.senders);
	count_free(top.reasons);
	return status;
}

/* ---- qshape ---- */

struct shape {
	const struct queue_shape *wish;
	struct map *domains;
	uint64_t total[BUCKETS_MAX + 1];
};

static size_t shape_bucket(const struct queue_shape *wish, int64_t age)
{
	int64_t ticks = age / (60 * (int64_t)wish->minutes), limit = 1;
	size_t bucket = 1;

	if (ticks < 1)
		return 1;
	if (wish->linear)
		return (size_t)MIN(ticks + 1, (int64_t)wish->buckets);
	for (bucket = 2; bucket < wish->buckets && ticks >= 2 * limit; bucket++)
		limit *= 2;
	return MIN(bucket, (size_t)wish->buckets);
}

static int shape_count(void *argument, const struct queue_entry *e)
{
	_cleanup_(str_free) struct str domain = STR_EMPTY;
	struct shape *shape = argument;
	size_t bucket = shape_bucket(shape->wish, clock_wall() - e->arrival);
	size_t times = shape->wish->by_sender ? 1 : e->count;

	if (!(shape->wish->states & (1u << e->state)))
		return 0;
	for (size_t i = 0; i < times; i++) {
		append_domain(&domain, shape->wish->by_sender ? str_view(&e->sender)
							      : queue_entry_address(e, i));
		count_add(shape->domains, str_view(&domain), bucket);
		shape->total[0]++;
		shape->total[bucket]++;
	}
	return 0;
}

static void shape_line(const char *domain, size_t width, const uint64_t *counts,
		       const size_t *columns, size_t buckets)
{
	size_t len = strlen(domain);

	if (len > width)
		printf("+%s", domain + (len - width + 1));
	else
		printf("%*s", (int)width, domain);
	for (size_t i = 0; i <= buckets; i++)
		printf("%*llu", (int)columns[i], (unsigned long long)counts[i]);
	putchar('\n');
}

/* What stands above each column, and how wide it is. Returns what is left for the names. */
static size_t shape_columns(const struct shape *shape, char heads[][16], size_t *columns)
{
	size_t buckets = shape->wish->buckets, left = shape->wish->width;
	unsigned long minutes = 0, step = shape->wish->minutes;

	for (size_t i = 0; i <= buckets; i++) {
		char number[32];

		if (i == 0) {
			snprintf(heads[i], 16, "T");
		} else if (i < buckets) {
			minutes += minutes > 0 && !shape->wish->linear ? minutes : step;
			snprintf(heads[i], 16, "%lu", minutes);
		} else {
			snprintf(heads[i], 16, "%lu+", minutes);
		}
		snprintf(number, sizeof(number), "%llu", (unsigned long long)shape->total[i]);
		size_t wide = MAX(strlen(number), strlen(heads[i]));

		columns[i] = wide > 2 ? wide + 1 : 3;
		left -= MIN(left, columns[i]);
	}
	return MAX(left, (size_t)DOMAIN_WIDTH_MIN);
}

int queue_shape(const struct queue_source *source, const struct queue_shape *wish)
{
	struct shape shape = { .wish = wish, .domains = map_new() };
	char heads[BUCKETS_MAX + 1][16];
	size_t columns[BUCKETS_MAX + 1], count;
	int status = queue_entries(source, shape_count, &shape);
	size_t width = shape_columns(&shape, heads, columns);
	_cleanup_free_ struct count_line **lines = count_sort(shape.domains, &count);

	printf("%*s", (int)width, "");
	for (size_t i = 0; i <= wish->buckets; i++)
		printf("%*s", (int)columns[i], heads[i]);
	putchar('\n');
	shape_line("TOTAL", width, shape.total, columns, wish->buckets);
	for (size_t i = 0; i < count; i++) {
		_cleanup_(str_free) struct str domain = STR_EMPTY;

		str_append_printable(&domain, lines[i]->key);
		shape_line(str_cstr(&domain), width, lines[i]->counts, columns, wish->buckets);
	}
	count_free(shape.domains);
	return status;
}
