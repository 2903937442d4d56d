/* Pieces of values: times, lists, and what they name. */
#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"

int conf_parse_time(struct view text, char unit, msec_t *value)
{
	static const struct {
		char unit;
		msec_t factor;
	} units[] = {
		{ 's', 1000 },	    { 'm', 60 * 1000 },	    { 'h', 3600 * 1000 },
		{ 'd', 86400000L }, { 'w', 7 * 86400000L },
	};
	uint64_t number;

	if (text.len > 0 && !ascii_is_digit(text.data[text.len - 1])) {
		unit = ascii_lower(text.data[text.len - 1]);
		text.len--;
	}
	if (view_parse_u64(text, INT32_MAX, &number) < 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (units[i].unit != unit)
			continue;
		*value = (msec_t)number * units[i].factor;
		return 0;
	}
	return -EINVAL;
}

static bool separates(char c)
{
	return c == ',' || ascii_is_space(c);
}

/* "{ text }" as a whole gives "text". */
static struct view without_braces(struct view v)
{
	size_t depth = 0;

	if (v.len < 2 || v.data[0] != '{' || v.data[v.len - 1] != '}')
		return v;
	for (size_t i = 0; i < v.len; i++) {
		if (v.data[i] == '{')
			depth++;
		else if (v.data[i] == '}' && --depth == 0 && i + 1 < v.len)
			return v;
	}
	return view_trim(view_first(view_from(v, 1), v.len - 2));
}

bool conf_next_element(struct view *rest, struct view *element)
{
	size_t start = 0, end, depth = 0;

	while (start < rest->len && separates(rest->data[start]))
		start++;
	for (end = start; end < rest->len; end++) {
		char c = rest->data[end];

		if (c == '{')
			depth++;
		else if (c == '}' && depth > 0)
			depth--;
		else if (depth == 0 && separates(c))
			break;
	}
	*element = without_braces(view_first(view_from(*rest, start), end - start));
	*rest = view_from(*rest, end);
	return end > start;
}

static bool is_separator(struct view text, size_t at)
{
	return at >= text.len || strchr(", \t\r\n{}=!", text.data[at]) != NULL;
}

/* Where the name may begin: a word, what proxymap asks, the socket of "lmtp:unix:/run/x". */
static bool is_beginning(struct view text, size_t at, struct view name)
{
	struct view before = view_first(text, at);

	return at == 0 || is_separator(text, at - 1) || view_ends(before, VIEW("proxy:")) ||
	       (view_ends(before, VIEW(":")) && view_starts(name, VIEW("unix:")));
}

bool conf_value_names(struct view text, struct view name)
{
	while (name.len > 0) {
		size_t at = view_find(text, name);

		if (at == VIEW_NOT_FOUND)
			return false;
		if (is_beginning(text, at, name) && is_separator(text, at + name.len))
			return true;
		text = view_from(text, at + 1);
	}
	return false;
}
