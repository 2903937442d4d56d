/* OpenDKIM's KeyTable and SigningTable. Keys themselves are not read here. */
#include "mailauth/signing_table.h"

#include <errno.h>

#include "base/io.h"
#include "base/mem.h"
#include "mail/address.h"

/* ---- files ---- */

const char *signing_table_path(const char *source)
{
	if (strncmp(source, "refile:", 7) == 0)
		return source + 7;
	return strncmp(source, "file:", 5) == 0 ? source + 5 : source;
}

/* Gets the two words of a line. 0 or -EINVAL with a reason. */
typedef int row_taker(void *table, struct view key, struct view value, struct error *err);

static int table_lines_read(const char *source, row_taker *take, void *table, struct error *err)
{
	const char *path = signing_table_path(source);
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line;
	unsigned number = 0;
	int r;

	if (source[0] == '\0')
		return 0;
	if (path[0] != '/')
		return error_set(err, -EINVAL, "%s: expected refile:/path, file:/path or /path",
				 source);
	r = io_read_file(path, SIGNING_TABLE_MAX, &text, err);
	rest = str_view(&text);
	while (r == 0 && view_next(&rest, '\n', &line)) {
		struct view key = VIEW_NONE;

		number++;
		line = view_trim(line);
		if (line.len == 0 || line.data[0] == '#')
			continue;
		view_next_word(&line, " \t", &key);
		r = take(table, key, view_trim(line), err);
		if (r < 0)
			error_prefix(err, "%s, line %u", path, number);
	}
	return r;
}

/* ---- keys ---- */

static int take_key(void *argument, struct view name, struct view value, struct error *err)
{
	struct key_table *table = argument;
	struct view domain = VIEW_NONE, selector = VIEW_NONE, path = VIEW_NONE;

	if (!view_next(&value, ':', &domain) || !view_next(&value, ':', &selector) ||
	    !view_next(&value, ':', &path) || domain.len == 0 || selector.len == 0 ||
	    path.len == 0 || path.data[0] != '/')
		return error_set(err, -EINVAL, "expected \"name domain:selector:/path\"");
	if (key_table_find(table, name) != NULL)
		return error_set(err, -EINVAL, "key %.*s is there twice", VIEW_ARG(name));
	array_grow(table->rows, table->count);
	table->rows[table->count++] = (struct key_row){
		.name = mem_strndup(name.data, name.len),
		.domain = mem_strndup(domain.data, domain.len),
		.selector = mem_strndup(selector.data, selector.len),
		.path = mem_strndup(path.data, path.len),
	};
	return 0;
}

int key_table_read(const char *source, struct key_table *table, struct error *err)
{
	*table = (struct key_table){ 0 };
	return table_lines_read(source, take_key, table, err);
}

void key_table_free(struct key_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		free(table->rows[i].name);
		free(table->rows[i].domain);
		free(table->rows[i].selector);
		free(table->rows[i].path);
	}
	free(table->rows);
	*table = (struct key_table){ 0 };
}

const struct key_row *key_table_find(const struct key_table *table, struct view name)
{
	for (size_t i = 0; i < table->count; i++)
		if (view_is(name, table->rows[i].name))
			return &table->rows[i];
	return NULL;
}

/* ---- who signs ---- */

static int take_signing_row(void *argument, struct view pattern, struct view value,
			    struct error *err)
{
	struct signing_table *table = argument;
	struct view key = VIEW_NONE;
	struct signing_row row;

	view_next(&value, ':', &key);
	if (key.len == 0)
		return error_set(err, -EINVAL, "expected \"pattern key\"");
	row = (struct signing_row){ .pattern = mem_strndup(pattern.data, pattern.len),
				    .key = mem_strndup(key.data, key.len) };
	if (value.len > 0)
		row.identity = mem_strndup(value.data, value.len);
	array_grow(table->rows, table->count);
	table->rows[table->count++] = row;
	return 0;
}

int signing_table_read(const char *source, struct signing_table *table, struct error *err)
{
	*table = (struct signing_table){ .has_patterns = strncmp(source, "refile:", 7) == 0 };
	return table_lines_read(source, take_signing_row, table, err);
}

void signing_table_free(struct signing_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		free(table->rows[i].pattern);
		free(table->rows[i].key);
		free(table->rows[i].identity);
	}
	free(table->rows);
	*table = (struct signing_table){ 0 };
}

/* "*" is any text. Each star is tried once from the left, so that this is linear in practice. */
static bool pattern_matches(struct view pattern, struct view text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;

	while (t < text.len) {
		if (p < pattern.len && pattern.data[p] == '*') {
			star = p++;
			mark = t;
		} else if (p < pattern.len &&
			   ascii_lower(pattern.data[p]) == ascii_lower(text.data[t])) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++mark;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.data[p] == '*')
		p++;
	return p == pattern.len;
}

/* All rows with just that pattern. */
static size_t rows_of(const struct signing_table *table, struct view pattern,
		      const struct signing_row *rows[SIGNING_KEYS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < table->count && count < SIGNING_KEYS_MAX; i++)
		if (view_is_nocase(pattern, table->rows[i].pattern))
			rows[count++] = &table->rows[i];
	return count;
}

static size_t find_by_pattern(const struct signing_table *table, struct view address,
			      const struct signing_row *rows[SIGNING_KEYS_MAX])
{
	for (size_t i = 0; i < table->count; i++)
		if (pattern_matches(view_of(table->rows[i].pattern), address))
			return rows_of(table, view_of(table->rows[i].pattern), rows);
	return 0;
}

/* user@NAME and NAME. */
static size_t find_pair(const struct signing_table *table, struct view local, const char *dot,
			struct view name, const struct signing_row *rows[SIGNING_KEYS_MAX])
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	size_t count;

	str_printf(&key, "%.*s@%s%.*s", VIEW_ARG(local), dot, VIEW_ARG(name));
	count = rows_of(table, str_view(&key), rows);
	if (count > 0)
		return count;
	return rows_of(table, view_from(str_view(&key), local.len + 1), rows);
}

size_t signing_table_find(const struct signing_table *table, struct view address,
			  const struct signing_row *rows[SIGNING_KEYS_MAX])
{
	struct view local, domain, label;
	size_t count;

	if (table->has_patterns)
		return find_by_pattern(table, address, rows);
	address_split(address, &local, &domain);
	count = find_pair(table, local, "", domain, rows);
	while (count == 0 && view_next(&domain, '.', &label) && domain.data != NULL)
		count = find_pair(table, local, ".", domain, rows);
	return count > 0 ? count : find_pair(table, local, "", VIEW("*"), rows);
}
