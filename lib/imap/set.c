/*
 * Sequence and UID sets: parsed, sorted, merged. Their size is bounded by the line they came in.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "imap/parser.h"

void imap_set_free(struct imap_set *set)
{
	free(set->ranges);
	*set = (struct imap_set){ NULL, 0, false };
}

void imap_set_copy(const struct imap_set *from, struct imap_set *to)
{
	*to = (struct imap_set){ mem_new_array(struct imap_range, MAX(from->count, (size_t)1)),
				 from->count, from->saved };
	if (from->count > 0)
		memcpy(to->ranges, from->ranges, from->count * sizeof(*to->ranges));
}

/* nz-number or "*". */
static int set_number(struct view text, uint32_t *number)
{
	int r;

	if (view_is(text, "*")) {
		*number = IMAP_STAR;
		return 0;
	}
	r = view_parse_u32(text, UINT32_MAX, number);
	return r < 0 || *number == 0 ? -EINVAL : 0;
}

static int set_range(struct view text, struct imap_range *range)
{
	size_t colon = view_find_byte(text, ':');

	if (colon == VIEW_NOT_FOUND) {
		if (set_number(text, &range->first) < 0)
			return -EINVAL;
		range->last = range->first;
		return 0;
	}
	if (set_number(view_first(text, colon), &range->first) < 0)
		return -EINVAL;
	return set_number(view_from(text, colon + 1), &range->last);
}

int imap_set_parse(struct view text, struct imap_set *set)
{
	struct view rest = text, piece;

	*set = (struct imap_set){ NULL, 0, false };
	if (text.len == 0)
		return -EINVAL;
	while (view_next(&rest, ',', &piece)) {
		if (set->count == IMAP_RANGES_MAX) {
			imap_set_free(set);
			return -E2BIG;
		}
		array_grow(set->ranges, set->count);
		if (set_range(piece, &set->ranges[set->count]) < 0) {
			imap_set_free(set);
			return -EINVAL;
		}
		set->count++;
	}
	return 0;
}

static int by_first(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

void imap_set_resolve(struct imap_set *set, uint32_t largest)
{
	size_t kept = 0;

	for (size_t i = 0; i < set->count; i++) {
		struct imap_range *range = &set->ranges[i];
		uint32_t a = range->first == IMAP_STAR ? largest : range->first;
		uint32_t b = range->last == IMAP_STAR ? largest : range->last;

		/* "4:2" is "2:4", and "n:*" is "*:n" where n is larger (RFC 3501 section 9). */
		range->first = MIN(a, b);
		range->last = MAX(a, b);
	}
	if (set->count > 1)
		qsort(set->ranges, set->count, sizeof(*set->ranges), by_first);
	for (size_t i = 0; i < set->count; i++) {
		struct imap_range *last = kept > 0 ? &set->ranges[kept - 1] : NULL;

		if (last != NULL && set->ranges[i].first <= last->last)
			last->last = MAX(last->last, set->ranges[i].last);
		else if (last != NULL && set->ranges[i].first == last->last + 1)
			last->last = set->ranges[i].last;
		else
			set->ranges[kept++] = set->ranges[i];
	}
	set->count = kept;
}

bool imap_set_contains(const struct imap_set *resolved, uint32_t number)
{
	size_t low = 0, high = resolved->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (number > resolved->ranges[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < resolved->count && number >= resolved->ranges[low].first;
}
