/* Looking at bytes that somebody else owns. Nothing here allocates or changes them. */
#include "base/view.h"

#include <errno.h>

#include "base/mem.h"

struct view view_from(struct view v, size_t start)
{
	if (start >= v.len)
		return (struct view){ v.data ? v.data + v.len : NULL, 0 };
	return (struct view){ v.data + start, v.len - start };
}

struct view view_first(struct view v, size_t len)
{
	return (struct view){ v.data, len < v.len ? len : v.len };
}

bool view_eq(struct view a, struct view b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool view_eq_nocase(struct view a, struct view b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
			return false;
	return true;
}

bool view_is(struct view a, const char *text)
{
	return view_eq(a, view_of(text));
}

bool view_is_nocase(struct view a, const char *text)
{
	return view_eq_nocase(a, view_of(text));
}

bool view_starts(struct view v, struct view prefix)
{
	return v.len >= prefix.len && view_eq(view_first(v, prefix.len), prefix);
}

bool view_starts_nocase(struct view v, struct view prefix)
{
	return v.len >= prefix.len && view_eq_nocase(view_first(v, prefix.len), prefix);
}

bool view_ends(struct view v, struct view suffix)
{
	return v.len >= suffix.len && view_eq(view_from(v, v.len - suffix.len), suffix);
}

bool view_ends_nocase(struct view v, struct view suffix)
{
	return v.len >= suffix.len && view_eq_nocase(view_from(v, v.len - suffix.len), suffix);
}

int view_compare(struct view a, struct view b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

size_t view_find_byte(struct view v, char byte)
{
	const char *at = v.len > 0 ? memchr(v.data, byte, v.len) : NULL;

	return at ? (size_t)(at - v.data) : VIEW_NOT_FOUND;
}

size_t view_find_last_byte(struct view v, char byte)
{
	const char *at = v.len > 0 ? memrchr(v.data, byte, v.len) : NULL;

	return at ? (size_t)(at - v.data) : VIEW_NOT_FOUND;
}

size_t view_find(struct view v, struct view needle)
{
	const char *at;

	if (needle.len == 0)
		return 0;
	at = v.len >= needle.len ? memmem(v.data, v.len, needle.data, needle.len) : NULL;
	return at ? (size_t)(at - v.data) : VIEW_NOT_FOUND;
}

size_t view_find_nocase(struct view v, struct view needle)
{
	if (needle.len > v.len)
		return VIEW_NOT_FOUND;
	for (size_t i = 0; i <= v.len - needle.len; i++)
		if (view_eq_nocase(view_make(v.data + i, needle.len), needle))
			return i;
	return VIEW_NOT_FOUND;
}

struct view view_trim(struct view v)
{
	while (v.len > 0 && ascii_is_space(v.data[0]))
		v = view_from(v, 1);
	while (v.len > 0 && ascii_is_space(v.data[v.len - 1]))
		v.len--;
	return v;
}

bool view_next(struct view *rest, char separator, struct view *piece)
{
	size_t at;

	if (rest->data == NULL)
		return false;
	at = view_find_byte(*rest, separator);
	if (at == VIEW_NOT_FOUND) {
		*piece = *rest;
		*rest = VIEW_NONE;
	} else {
		*piece = view_first(*rest, at);
		*rest = view_from(*rest, at + 1);
	}
	return true;
}

bool view_next_word(struct view *rest, const char *separators, struct view *word)
{
	struct view v = *rest;
	size_t end = 0;

	while (v.len > 0 && strchr(separators, v.data[0]) != NULL && v.data[0] != '\0')
		v = view_from(v, 1);
	while (end < v.len && (v.data[end] == '\0' || strchr(separators, v.data[end]) == NULL))
		end++;
	*word = view_first(v, end);
	*rest = view_from(v, end);
	return end > 0;
}

int view_parse_u64(struct view v, uint64_t max, uint64_t *value)
{
	uint64_t n = 0;

	if (v.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < v.len; i++) {
		if (!ascii_is_digit(v.data[i]))
			return -EINVAL;
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(v.data[i] - '0'), &n) || n > max)
			return -ERANGE;
	}
	*value = n;
	return 0;
}

int view_parse_u32(struct view v, uint32_t max, uint32_t *value)
{
	uint64_t wide;
	int r = view_parse_u64(v, max, &wide);

	if (r == 0)
		*value = (uint32_t)wide;
	return r;
}

/* Bytes of the well-formed sequence that starts at p, or 0. Table 3-7 of the Unicode standard. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;

	size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (left < len)
		return 0;

	unsigned char low = 0x80, high = 0xbf;

	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

bool view_is_utf8(struct view v)
{
	for (size_t i = 0; i < v.len;) {
		size_t len = utf8_sequence((const unsigned char *)v.data + i, v.len - i);

		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

bool view_is_ascii(struct view v)
{
	for (size_t i = 0; i < v.len; i++)
		if ((unsigned char)v.data[i] >= 0x80)
			return false;
	return true;
}

bool view_has_control(struct view v)
{
	for (size_t i = 0; i < v.len; i++)
		if ((unsigned char)v.data[i] < 32 || v.data[i] == 127)
			return true;
	return false;
}

size_t view_distance(struct view a, struct view b)
{
	size_t rows[3][VIEW_DISTANCE_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	a = view_first(a, VIEW_DISTANCE_MAX);
	b = view_first(b, VIEW_DISTANCE_MAX);
	for (size_t j = 0; j <= b.len; j++)
		before[j] = above[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			bool same = ascii_lower(a.data[i - 1]) == ascii_lower(b.data[j - 1]);
			size_t best = above[j - 1] + !same;

			best = MIN(best, MIN(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] &&
			    a.data[i - 2] == b.data[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		size_t *free_row = before;

		before = above;
		above = row;
		row = free_row;
	}
	return above[b.len];
}
