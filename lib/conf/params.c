/* The table of all parameters, and finding names in it. */
#include "base/map.h"
#include "conf/conf.h"

const struct param_info param_table[] = {
#define PARAM_STR(name, value, help)	       { #name, value, help, PARAM_TYPE_STR, 0, 0, 0 },
#define PARAM_RAW(name, value, help)	       { #name, value, help, PARAM_TYPE_RAW, 0, 0, 0 },
#define PARAM_BOOL(name, value, help)	       { #name, value, help, PARAM_TYPE_BOOL, 0, 0, 0 },
#define PARAM_INT(name, value, min, max, help) { #name, value, help, PARAM_TYPE_INT, min, max, 0 },
#define PARAM_TIME(name, value, unit, help)    { #name, value, help, PARAM_TYPE_TIME, 0, 0, unit },
#define PARAM_LATER(name, value)	       { #name, value, "", PARAM_TYPE_LATER, 0, 0, 0 },
#include "conf/params.def"
#undef PARAM_STR
#undef PARAM_RAW
#undef PARAM_BOOL
#undef PARAM_INT
#undef PARAM_TIME
#undef PARAM_LATER
};
const size_t param_table_count = sizeof(param_table) / sizeof(param_table[0]);

/* A name that stands twice is the one that is in force. */
static struct map *index_table(void)
{
	struct map *index = map_new();

	for (size_t i = 0; i < param_table_count; i++) {
		struct view name = view_of(param_table[i].name);

		if (param_table[i].type != PARAM_TYPE_LATER || map_get(index, name) == NULL)
			map_put(index, name, (void *)&param_table[i]);
	}
	return index;
}

const struct param_info *param_find(struct view name)
{
	static struct map *index; /* made once, never changed */

	if (index == NULL)
		index = index_table();
	return map_get(index, name);
}

enum { NAME_MAX_NEAR = 80, DISTANCE_MAX = 2 };

/*
 * How many bytes must be changed, added, left out or swapped with their neighbour to make a into
 * b (the restricted Damerau-Levenshtein distance). Both at most NAME_MAX_NEAR long.
 */
static size_t distance(struct view a, struct view b)
{
	size_t rows[3][NAME_MAX_NEAR + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b.len; j++)
		before[j] = above[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			bool same = a.data[i - 1] == b.data[j - 1];
			size_t best = above[j - 1] + !same;

			best = above[j] + 1 < best ? above[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
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

const char *param_nearest(struct view name)
{
	const char *nearest = NULL;
	size_t least = DISTANCE_MAX + 1;

	if (name.len < 3 || name.len > NAME_MAX_NEAR)
		return NULL;
	for (size_t i = 0; i < param_table_count; i++) {
		struct view known = view_of(param_table[i].name);

		if (known.len > NAME_MAX_NEAR || known.len > name.len + DISTANCE_MAX ||
		    name.len > known.len + DISTANCE_MAX)
			continue;

		size_t d = distance(name, known);

		if (d < least) {
			least = d;
			nearest = param_table[i].name;
		}
	}
	return nearest;
}
