/* Lists of tables. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "table/internal.h"
#include "table/server.h"

struct tables {
	struct table **items;
	size_t count;
	const char *answered;
	unsigned asked; /* look-ups that are being done */
	bool closed;	/* to be freed after them */
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
	tables->closed = true;
	if (tables->asked > 0)
		return;
	for (size_t i = 0; i < tables->count; i++)
		table_close(tables->items[i]);
	free(tables->items);
	free(tables);
}

/* "hash:path" whose compiled file is not there. */
static bool table_is_missing(struct view table)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	size_t colon = view_find_byte(table, ':');
	const char *suffix;
	struct stat st;

	if (colon == VIEW_NOT_FOUND)
		return false;
	suffix = table_index_suffix(view_first(table, colon));
	if (suffix == NULL)
		return false;
	str_printf(&path, "%.*s%s", VIEW_ARG(view_from(table, colon + 1)), suffix);
	return stat(str_cstr(&path), &st) < 0 && errno == ENOENT;
}

bool tables_are_made(const char *list)
{
	struct view rest = view_of(list), one;

	while (conf_next_element(&rest, &one))
		if (!table_is_missing(one))
			return true;
	return false;
}

int tables_lookup(struct tables *tables, struct view key, struct str *value, struct error *err)
{
	return tables_lookup_as(tables, key, VIEW_NONE, value, err);
}

int tables_lookup_as(struct tables *tables, struct view key, struct view asker, struct str *value,
		     struct error *err)
{
	int r = 0;
	size_t i;

	str_clear(value);
	tables->asked++;
	/* A table that fails may hold the answer: asking the next would be wrong. */
	for (i = 0; i < tables->count && r == 0; i++)
		r = table_lookup_as(tables->items[i], key, asker, value, err);
	/* Set after the last wait: between here and the caller no other task runs. */
	tables->answered = r != 0 ? table_name(tables->items[i - 1]) : NULL;
	if (--tables->asked == 0 && tables->closed)
		tables_close(tables);
	return r;
}

bool tables_are_empty(const struct tables *tables)
{
	return tables == NULL || tables->count == 0;
}

const char *tables_answered(const struct tables *tables)
{
	return tables->answered;
}
