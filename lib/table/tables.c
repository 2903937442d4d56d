/* Lists of tables. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "table/internal.h"

struct tables {
	struct table **items;
	size_t count;
	const char *answered;
};

struct tables *tables_open(const char *list, int flags, struct error *err)
{
	struct tables *tables = mem_new(struct tables);
	struct view rest = view_of(list), element;

	while (conf_next_element(&rest, &element)) {
		struct table *table;

		if (tables->count == TABLE_LIST_MAX) {
			error_set(err, -EINVAL, "more than %d tables in a list", TABLE_LIST_MAX);
			tables_close(tables);
			return NULL;
		}
		table = table_open(element, flags, err);
		if (table == NULL) {
			tables_close(tables);
			return NULL;
		}
		tables->items =
			mem_resize(tables->items, tables->count + 1, sizeof(*tables->items));
		tables->items[tables->count++] = table;
	}
	return tables;
}

void tables_close(struct tables *tables)
{
	if (tables == NULL)
		return;
	for (size_t i = 0; i < tables->count; i++)
		table_close(tables->items[i]);
	free(tables->items);
	free(tables);
}

int tables_lookup(struct tables *tables, struct view key, struct str *value, struct error *err)
{
	str_clear(value);
	tables->answered = NULL;
	for (size_t i = 0; i < tables->count; i++) {
		int r = table_lookup(tables->items[i], key, value, err);

		/* A table that fails may hold the answer: asking the next would be wrong. */
		if (r != 0) {
			tables->answered = table_name(tables->items[i]);
			return r;
		}
	}
	return 0;
}

bool tables_are_empty(const struct tables *tables)
{
	return tables == NULL || tables->count == 0;
}

const char *tables_answered(const struct tables *tables)
{
	return tables->answered;
}
