/*
 * The patterns of LIST against names of folders. Which names there are, and what is told of them, is the
 * server's matter.
 */
#include "imap/parser.h"

/* A literal character of the pattern needs one of the name: how many there are. */
static size_t pattern_count_literals(struct view pattern)
{
	size_t count = 0;

	for (size_t i = 0; i < pattern.len; i++)
		count += pattern.data[i] != '*' && pattern.data[i] != '%';
	return count;
}

/*
 * One more character of the pattern. reach[n]: the pattern so far matches the first n bytes of the
 * name. Whether it matches any of them.
 */
static bool pattern_step(char c, struct view name, bool *reach)
{
	bool any = false;

	if (c == '*' || c == '%') {
		for (size_t n = 1; n <= name.len; n++)
			reach[n] |= reach[n - 1] && (c == '*' || name.data[n - 1] != '.');
		return true;
	}
	for (size_t n = name.len; n > 0; n--) {
		reach[n] = reach[n - 1] && name.data[n - 1] == c;
		any |= reach[n];
	}
	reach[0] = false;
	return any;
}

/* A wildcard after another adds nothing, unless it is the wider one. `last`: 0 after a literal. */
static bool pattern_is_needless(char c, char last)
{
	return (c == '*' && last == '*') || (c == '%' && last != '\0');
}

/*
 * '*' matches anything, '%' anything but the separator. All places of the name that the pattern can have
 * come to are kept, so that nothing is tried twice: the product of both lengths at most.
 */
bool imap_pattern_matches(struct view pattern, struct view name)
{
	bool reach[IMAP_PATTERN_NAME_MAX + 1] = { true };

	char last = '\0';

	if (name.len > IMAP_PATTERN_NAME_MAX || pattern_count_literals(pattern) > name.len)
		return false;
	for (size_t p = 0; p < pattern.len; p++) {
		char c = pattern.data[p];

		if (pattern_is_needless(c, last))
			continue;
		last = '\0';
		if (c == '*' || c == '%')
			last = c;
		if (!pattern_step(c, name, reach))
			return false;
	}
	return reach[name.len];
}
