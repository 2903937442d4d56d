/* Tables held in memory: texthash, inline, static, fail. */
#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "table/internal.h"

/* Values: struct view and the bytes after it, in one piece. */
static void memory_put(struct map *map, struct view key, struct view value)
{
	struct view *item = mem_new_bytes(sizeof(*item) + value.len);

	if (value.len > 0)
		memcpy(item + 1, value.data, value.len);
	*item = view_make(item + 1, value.len);
	free(map_put(map, key, item));
}

static void close_map(struct table *table)
{
	struct map *map = table->data;

	if (map == NULL)
		return;
	map_for_each (map, i)
		free(map_value_at(map, i));
	map_free(map);
}

static int lookup_map(struct table *table, struct view key, struct str *value, struct error *err)
{
	const struct view *item = map_get(table->data, key);

	(void)err;
	if (item == NULL)
		return 0;
	str_append(value, *item);
	return 1;
}

static int dump_map(struct table *table, table_row *row, void *argument, struct error *err)
{
	struct map *map = table->data;

	(void)err;
	map_for_each (map, i) {
		int r = row(argument, map_key_at(map, i), *(struct view *)map_value_at(map, i));

		if (r != 0)
			return r;
	}
	return 0;
}

/* ---- texthash:/path ---- */

struct loading {
	struct table *table;
	const char *path;
	bool fold;
};

static bool memory_add_entry(void *argument, int line, struct view key, struct view value)
{
	struct loading *loading = argument;

	if (map_get(loading->table->data, key) != NULL)
		log_warning("%s, line %d: duplicate entry: \"%.*s\"", loading->path, line,
			    VIEW_ARG(view_first(key, 100)));
	else
		memory_put(loading->table->data, key, value);
	return map_count(loading->table->data) < TABLE_ENTRIES_MAX;
}

/* Logs each line of a report. */
static void memory_log_report(const struct str *report)
{
	struct view rest = str_view(report), line;

	while (view_next(&rest, '\n', &line))
		if (line.len > 0)
			log_warning("%.*s", VIEW_ARG(line));
}

static int open_texthash(struct table *table, struct view name, struct error *err)
{
	_cleanup_free_ char *path = mem_strndup(name.len ? name.data : "", name.len);
	_cleanup_(str_free) struct str text = STR_EMPTY, report = STR_EMPTY;
	struct loading loading = { table, path, false };

	table->data = map_new();
	int r = table_watch(table, path, err);

	if (r == 0)
		r = io_read_file(path, TABLE_TEXT_MAX, &text, err);
	if (r < 0)
		return r;
	source_parse(str_view(&text), path, SOURCE_MAP, !(table->flags & TABLE_CASE_SENSITIVE),
		     memory_add_entry, &loading, &report);
	memory_log_report(&report);
	return 0;
}

const struct table_type table_type_texthash = {
	.name = "texthash",
	.folds = true,
	.open = open_texthash,
	.lookup = lookup_map,
	.close = close_map,
	.dump = dump_map,
};

/* ---- inline:{ key=value, { key = long value } } ---- */

static int open_inline(struct table *table, struct view name, struct error *err)
{
	struct view rest = view_trim(name), element;
	_cleanup_(str_free) struct str folded = STR_EMPTY;

	table->data = map_new();
	if (rest.len < 2 || rest.data[0] != '{' || rest.data[rest.len - 1] != '}')
		return error_set(err, -EINVAL, "expected { key=value, { key = value }... }");
	rest = view_first(view_from(rest, 1), rest.len - 2);
	while (conf_next_element(&rest, &element)) {
		size_t equals = view_find_byte(element, '=');
		struct view key = view_trim(view_first(element, equals));

		if (equals == VIEW_NOT_FOUND || key.len == 0)
			return error_set(err, -EINVAL, "expected key=value instead of \"%.*s\"",
					 VIEW_ARG(view_first(element, 60)));
		str_clear(&folded);
		if (table->flags & TABLE_CASE_SENSITIVE)
			str_append(&folded, key);
		else
			str_append_lower(&folded, key);
		memory_put(table->data, str_view(&folded),
			   view_trim(view_from(element, equals + 1)));
	}
	return map_count(table->data) > 0 ? 0 : error_set(err, -EINVAL, "nothing in it");
}

const struct table_type table_type_inline = {
	.name = "inline",
	.folds = true,
	.open = open_inline,
	.lookup = lookup_map,
	.close = close_map,
	.dump = dump_map,
};

/* ---- static:value ---- */

static int open_static(struct table *table, struct view name, struct error *err)
{
	struct view value = name;

	(void)err;
	if (value.len >= 2 && value.data[0] == '{' && value.data[value.len - 1] == '}')
		value = view_trim(view_first(view_from(value, 1), value.len - 2));
	table->data = mem_strndup(value.len ? value.data : "", value.len);
	return 0;
}

static int lookup_static(struct table *table, struct view key, struct str *value, struct error *err)
{
	(void)key;
	(void)err;
	str_append_cstr(value, table->data);
	return 1;
}

static void close_static(struct table *table)
{
	free(table->data);
}

const struct table_type table_type_static = {
	.name = "static",
	.open = open_static,
	.lookup = lookup_static,
	.close = close_static,
};

/* ---- fail:anything: every look-up fails, for tests ---- */

static int open_fail(struct table *table, struct view name, struct error *err)
{
	(void)table;
	(void)name;
	(void)err;
	return 0;
}

static int lookup_fail(struct table *table, struct view key, struct str *value, struct error *err)
{
	(void)table;
	(void)key;
	(void)value;
	return error_set(err, -EAGAIN, "this table always fails");
}

static void close_fail(struct table *table)
{
	(void)table;
}

const struct table_type table_type_fail = {
	.name = "fail",
	.open = open_fail,
	.lookup = lookup_fail,
	.close = close_fail,
};
