/*
 * Making, asking and changing the index of a table's text, for map and alias. One way for all
 * types that have an index.
 */
#include "tools/index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "table/server.h"
#include "task/task.h"
#include "tools/instance.h"
#include "tools/json.h"
#include "tools/tool.h"

enum { KEYS_MAX = 1000000 };

bool index_split(const char *specification, char *type, size_t size, const char **path)
{
	const char *colon = strchr(specification, ':');

	if (colon != NULL && colon[1] != '\0' && specification[0] != '/') {
		snprintf(type, size, "%.*s", (int)(colon - specification), specification);
		*path = colon + 1;
		return true;
	}
	if (!tool_load(NULL, 0))
		return false;
	const char *standard = param.default_database_type;

	snprintf(type, size, "%s", standard[0] ? standard : "hash");
	*path = specification;
	return true;
}

/* One line of the list that the options -q, -d and -i take from standard input. */
static bool index_next_line(char **line, size_t *size, struct view *text)
{
	ssize_t len;

	do {
		len = getline(line, size, stdin);
		if (len < 0)
			return false;
		*text = view_trim(view_make(*line, (size_t)len));
	} while (text->len == 0 || text->data[0] == '#');
	return true;
}

int index_build(const struct index_job *job, const char *specification)
{
	_cleanup_(str_free) struct str report = STR_EMPTY, text = STR_EMPTY;
	int r, status = TOOL_DONE;
	char type[40];
	const char *path;
	mode_t mode = 0600;

	if (!index_split(specification, type, sizeof(type), &path))
		return TOOL_NO;
	if (job->files)
		status = index_read_files(path, &text, &mode);
	if (job->files && text.len == 0 && status != TOOL_DONE)
		return status;
	r = job->files ? table_build_text(type, path, str_view(&text), mode, job->source, &report)
		       : table_build(type, path, job->source, &report);
	str_wipe(&text);

	struct view rest = str_view(&report), line;

	while (view_next(&rest, '\n', &line))
		if (line.len > 0 && !(job->quiet_duplicates &&
				      view_find(line, VIEW("duplicate entry")) != VIEW_NOT_FOUND))
			fprintf(stderr, "posta %s: %.*s\n", job->verb, VIEW_ARG(line));
	return r < 0 ? TOOL_NO : status;
}

/* ---- asking ---- */

struct opened {
	struct table *tables[INDEX_TABLES_MAX];
	size_t count;
};

static void close_all(struct opened *opened)
{
	for (size_t i = 0; i < opened->count; i++)
		table_close(opened->tables[i]);
}

static int open_all(const struct index_job *job, char *const *specifications, struct opened *opened)
{
	for (; *specifications != NULL; specifications++) {
		_cleanup_(str_free) struct str full = STR_EMPTY;
		struct error err = ERROR_NONE;
		char type[40];
		const char *path;

		if (opened->count == INDEX_TABLES_MAX)
			return tool_usage(job->verb, "more than %d tables", INDEX_TABLES_MAX);
		if (!index_split(*specifications, type, sizeof(type), &path))
			return TOOL_NO;
		str_printf(&full, "%s:%s", type, path);
		opened->tables[opened->count] = table_open(str_view(&full), job->flags, &err);
		if (opened->tables[opened->count] == NULL)
			return tool_fail(job->verb, "%s", err.text);
		opened->count++;
	}
	return TOOL_DONE;
}

static void index_show(const struct index_job *job, struct view key, struct view value,
		       bool with_key)
{
	_cleanup_(str_free) struct str decoded = STR_EMPTY;

	if (job->files) {
		index_decode_value(value, &decoded);
		value = str_view(&decoded);
	}
	if (job->json) {
		struct json json = JSON_START;

		json_object(&json, NULL);
		json_string(&json, "key", key);
		json_string(&json, "value", value);
		json_end(&json);
		json_print(&json);
	} else if (with_key) {
		printf("%.*s\t%.*s\n", VIEW_ARG(key), VIEW_ARG(value));
	} else {
		printf("%.*s\n", VIEW_ARG(value));
	}
}

/* 1 found and shown, 0 not, negative failed. */
static int index_ask(const struct index_job *job, struct opened *opened, struct view key,
		     bool with_key)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;

	for (size_t i = 0; i < opened->count; i++) {
		struct error err = ERROR_NONE;
		int r = table_lookup(opened->tables[i], key, &value, &err);

		if (r < 0) {
			tool_fail(job->verb, "%s", err.text);
			return r;
		}
		if (r > 0) {
			index_show(job, key, str_view(&value), with_key);
			return 1;
		}
	}
	return 0;
}

/* A look-up waits: it may be another program that looks. */
struct query {
	const struct index_job *job;
	char *const *specifications;
	const char *key;
};

static void index_query_task(void *argument)
{
	const struct query *query = argument;
	const struct index_job *job = query->job;
	struct opened opened = { .count = 0 };
	int status = open_all(job, query->specifications, &opened), found = 0, r = 0;

	if (status == TOOL_DONE && strcmp(query->key, "-") != 0) {
		found = r = index_ask(job, &opened, view_of(query->key), false);
	} else if (status == TOOL_DONE) {
		_cleanup_free_ char *line = NULL;
		size_t size = 0;
		struct view text;

		while (r >= 0 && index_next_line(&line, &size, &text)) {
			r = index_ask(job, &opened, text, true);
			found |= r > 0;
		}
	}
	close_all(&opened);
	task_quit(r < 0 ? TOOL_LATER : status != TOOL_DONE ? status : found ? TOOL_DONE : TOOL_NO);
}

int index_query(const struct index_job *job, char *const *specifications, const char *key)
{
	struct query query = { job, specifications, key };

	for (size_t i = 0; specifications[i] != NULL; i++) {
		struct view name = view_of(specifications[i]);

		if (view_starts(name, VIEW("proxy:")))
			name = view_from(name, strlen("proxy:"));
		/* The suite knows it. */
		if (table_is_server(name) && !instance_find(job->verb))
			return TOOL_NO;
	}
	return task_run(index_query_task, &query);
}

static int show_row(void *argument, struct view key, struct view value)
{
	index_show(argument, key, value, true);
	return 0;
}

int index_list(const struct index_job *job, char *const *specifications)
{
	for (; *specifications != NULL; specifications++) {
		_cleanup_(str_free) struct str full = STR_EMPTY;
		struct error err = ERROR_NONE;
		char type[40];
		const char *path;

		if (!index_split(*specifications, type, sizeof(type), &path))
			return TOOL_NO;
		str_printf(&full, "%s:%s", type, path);
		if (table_dump(str_cstr(&full), show_row, (void *)(uintptr_t)job, &err) < 0)
			return tool_fail(job->verb, "%s", err.text);
	}
	return TOOL_DONE;
}

/* ---- editing ---- */

struct keys {
	struct view *items;
	size_t count;
};

static void index_add_key(struct keys *keys, struct view key)
{
	array_grow(keys->items, keys->count);
	keys->items[keys->count++] = view_make(mem_strndup(key.data, key.len), key.len);
}

static void free_keys(struct keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		free((char *)(uintptr_t)keys->items[i].data);
	free(keys->items);
}

int index_delete(const struct index_job *job, char *const *specifications, const char *key)
{
	_cleanup_free_ char *line = NULL;
	struct keys keys = { NULL, 0 };
	struct error err = ERROR_NONE;
	size_t size = 0;
	struct view text;
	int deleted = 0;

	if (strcmp(key, "-") != 0)
		index_add_key(&keys, view_of(key));
	else
		while (keys.count < KEYS_MAX && index_next_line(&line, &size, &text))
			index_add_key(&keys, text);
	for (; *specifications != NULL && deleted >= 0; specifications++) {
		char type[40];
		const char *path;
		int r = -EINVAL;

		if (index_split(*specifications, type, sizeof(type), &path))
			r = table_edit(type, path, keys.items, NULL, keys.count, true, &err);
		deleted = r < 0 ? r : deleted + r;
	}
	free_keys(&keys);
	if (deleted < 0)
		return tool_fail(job->verb, "%s", err.text);
	return deleted > 0 ? TOOL_DONE : TOOL_NO;
}

/* "key value", or for aliases "key: value". */
static bool index_split_entry(const struct index_job *job, struct view text, struct view *key,
			      struct view *value)
{
	size_t end = 0;

	if (job->source == SOURCE_ALIASES)
		end = view_find_byte(text, ':');
	else
		while (end < text.len && !ascii_is_space(text.data[end]))
			end++;
	if (end >= text.len)
		return false;
	*key = view_trim(view_first(text, end));
	*value = view_trim(view_from(text, end + 1));
	return key->len > 0 && value->len > 0;
}

/*
 * Whether the index has the key, or it came before; then it is named, and the others go on. As
 * postmap: only -r replaces.
 */
static bool index_has(const struct index_job *job, struct table *table, struct map *seen,
		      const char *path, struct view key)
{
	_cleanup_(str_free) struct str value = STR_EMPTY, folded = STR_EMPTY;
	struct error err = ERROR_NONE;

	str_append_lower(&folded, key);
	if (map_get(seen, str_view(&folded)) == NULL &&
	    (table == NULL || table_lookup(table, key, &value, &err) <= 0)) {
		map_put(seen, str_view(&folded), seen);
		return false;
	}
	if (!job->quiet_duplicates)
		fprintf(stderr, "posta %s: warning: %s: duplicate entry: \"%.*s\"\n", job->verb,
			path, VIEW_ARG(key));
	return true;
}

struct addition {
	struct keys keys, values;
	struct map *seen;
	struct table *table; /* NULL: what is there is replaced, or there is no index yet */
};

static void addition_free(struct addition *addition)
{
	free_keys(&addition->keys);
	free_keys(&addition->values);
	map_free(addition->seen);
	table_close(addition->table);
}

static int addition_read(const struct index_job *job, const char *path, struct addition *addition,
			 struct error *err)
{
	_cleanup_free_ char *line = NULL;
	struct view text, key, value;
	size_t size = 0;

	while (addition->keys.count < KEYS_MAX && index_next_line(&line, &size, &text)) {
		if (!index_split_entry(job, text, &key, &value))
			return error_set(err, -EINVAL, "expected a key and a value, not \"%.*s\"",
					 VIEW_ARG(view_first(text, 60)));
		if (!job->replace && index_has(job, addition->table, addition->seen, path, key))
			continue;
		index_add_key(&addition->keys, key);
		index_add_key(&addition->values, value);
	}
	return 0;
}

int index_add(const struct index_job *job, const char *specification)
{
	_cleanup_(addition_free) struct addition addition = { .seen = map_new() };
	_cleanup_(str_free) struct str full = STR_EMPTY;
	struct error err = ERROR_NONE;
	char type[40];
	const char *path;
	int r;

	if (!index_split(specification, type, sizeof(type), &path))
		return TOOL_NO;
	str_printf(&full, "%s:%s", type, path);
	if (!job->replace)
		addition.table = table_open(str_view(&full), job->flags, &err);
	err = ERROR_NONE;
	r = addition_read(job, path, &addition, &err);
	if (r == 0 && addition.keys.count > 0)
		r = table_edit(type, path, addition.keys.items, addition.values.items,
			       addition.keys.count, job->replace, &err);
	return r < 0 ? tool_fail(job->verb, "%s", err.text) : TOOL_DONE;
}
