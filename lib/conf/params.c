/* The table of all parameters, and finding names in it. */
#include "conf/conf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const struct param_info param_table[] = {
#define PARAM(type, member, name, value, help, words, min, max, unit)                              \
	{ #name, value, help, PARAM_TYPE_##type, words, NULL, min, max, unit },
#define PARAM_KNOWN(type, name, value, words, readers)                                             \
	{ #name,                                                                                   \
	  value,                                                                                   \
	  PARAM_TYPE_##type == PARAM_TYPE_NAMED ? readers : "",                                    \
	  PARAM_TYPE_##type,                                                                       \
	  words,                                                                                   \
	  PARAM_TYPE_##type == PARAM_TYPE_NAMED ? NULL : readers,                                  \
	  0,                                                                                       \
	  0,                                                                                       \
	  0 },
#define PARAM_GROUP(heading, readers)
#include "conf/every_param.h"
};
const size_t param_table_count = sizeof(param_table) / sizeof(param_table[0]);

/* Each parameter's number, and with each group the number of the first parameter in it. */
#define JOIN(a, b)	 JOIN_AGAIN(a, b)
#define JOIN_AGAIN(a, b) a##b
enum {
#define PARAM(type, member, name, value, help, words, min, max, unit) NUMBER_OF_##name,
#define PARAM_KNOWN(type, name, value, words, readers)		      KNOWN_##name,
#define PARAM_GROUP(heading, readers)                                                              \
	JOIN(GROUP_, __LINE__), JOIN(BEFORE_, __LINE__) = JOIN(GROUP_, __LINE__) - 1,
#include "conf/every_param.h"
};
static const struct {
	const char *readers;
	size_t first;
} groups[] = {
#define PARAM(type, member, name, value, help, words, min, max, unit)
#define PARAM_KNOWN(type, name, value, words, readers)
#define PARAM_GROUP(heading, readers) { readers, JOIN(GROUP_, __LINE__) },
#include "conf/every_param.h"
};

bool param_is_later(const struct param_info *info)
{
	return info->type == PARAM_TYPE_LATER || info->type == PARAM_TYPE_NEEDLESS ||
	       info->type == PARAM_TYPE_GUARD;
}

bool param_has_word(const char *words, struct view word)
{
	struct view rest = view_of(words), one;

	do {
		one = view_first(rest, view_find_byte(rest, '|'));
		if (view_eq_nocase(word, one))
			return true;
		rest = view_from(rest, MIN(one.len + 1, rest.len));
	} while (rest.len > 0);
	return false;
}

bool param_is_read_by(const struct param_info *info, const char *program)
{
	size_t number = (size_t)(info - param_table), group = 0;
	struct view rest, reader;

	while (group + 1 < ARRAY_SIZE(groups) && groups[group + 1].first <= number)
		group++;
	rest = view_of(info->readers != NULL ? info->readers : groups[group].readers);
	if (rest.len == 0)
		return true; /* everybody does */
	while (view_next_word(&rest, " ", &reader))
		if (view_is(reader, program))
			return true;
	return false;
}

/* Numbers in param_table, by name: two bytes each, where a map would take a hundred. */
static uint16_t by_name[ARRAY_SIZE(param_table)];
static_assert(ARRAY_SIZE(param_table) <= UINT16_MAX, "by_name has 16 bits");

/* A name that stands twice is the one that is in force: it comes first. */
static int compare_params(const void *a, const void *b)
{
	const struct param_info *x = &param_table[*(const uint16_t *)a],
				*y = &param_table[*(const uint16_t *)b];
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : param_is_later(x) - param_is_later(y);
}

const struct param_info *param_find(struct view name)
{
	static bool sorted;
	size_t low = 0, high = param_table_count;

	if (!sorted) {
		for (size_t i = 0; i < param_table_count; i++)
			by_name[i] = (uint16_t)i;
		qsort(by_name, param_table_count, sizeof(*by_name), compare_params);
		sorted = true;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (view_compare(view_of(param_table[by_name[middle]].name), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == param_table_count || !view_is(name, param_table[by_name[low]].name))
		return NULL;
	return &param_table[by_name[low]];
}

enum { DISTANCE_MAX = 2 };

const char *param_nearest(struct view name)
{
	const char *nearest = NULL;
	size_t least = DISTANCE_MAX + 1;

	if (name.len < 3 || name.len > VIEW_DISTANCE_MAX)
		return NULL;
	for (size_t i = 0; i < param_table_count; i++) {
		struct view known = view_of(param_table[i].name);

		if (known.len > VIEW_DISTANCE_MAX || known.len > name.len + DISTANCE_MAX ||
		    name.len > known.len + DISTANCE_MAX)
			continue;

		size_t d = view_distance(name, known);

		if (d < least) {
			least = d;
			nearest = param_table[i].name;
		}
	}
	return nearest;
}
