/*
 * Showing and changing master.cf for posta conf -M, -F and -P. Services are found by Postfix's
 * names for them.
 */
#include "tools/conf_services.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "conf/lines.h"
#include "tools/conf_edit.h"
#include "tools/json.h"
#include "tools/tool.h"

enum { COLUMNS = 8, LINE_WIDTH = 79, WORDS_MAX = 300, FILE_MAX = 4 << 20, ENTRIES_MAX = 1000 };

static const char *const fields[COLUMNS] = {
	"service", "type",   "private",	      "unprivileged",
	"chroot",  "wakeup", "process_limit", "command",
};

/* An entry in words: columns, then arguments as they stand, "{ a b }" in one piece. */
struct entry {
	int line;
	char *words[WORDS_MAX];
	size_t count;
	bool changed;
};

struct master {
	char *path;
	struct str text;
	struct entry *entries;
	size_t count;
};

static void master_free(struct master *master)
{
	for (size_t i = 0; i < master->count; i++)
		for (size_t w = 0; w < master->entries[i].count; w++)
			free(master->entries[i].words[w]);
	free(master->entries);
	free(master->path);
	str_free(&master->text);
}

static bool service_next_word(struct view *rest, struct view *word)
{
	size_t end, depth = 0;

	*rest = view_trim(*rest);
	for (end = 0; end < rest->len; end++) {
		char c = rest->data[end];

		if (rest->data[0] == '{' && c == '{')
			depth++;
		else if (c == '}' && depth > 0)
			depth--;
		if (depth == 0 && ascii_is_space(c))
			break;
	}
	*word = view_first(*rest, end);
	*rest = view_from(*rest, end);
	return end > 0;
}

static bool is_override(const struct entry *entry, size_t word)
{
	return strcmp(entry->words[word], "-o") == 0 && word + 1 < entry->count;
}

/* "name=value" or "{ name = value }" in its parts, malloc'd. */
static void split_override(const char *text, char **name, char **value)
{
	struct view v = view_of(text);
	size_t equals;

	if (v.len >= 2 && v.data[0] == '{' && v.data[v.len - 1] == '}')
		v = view_first(view_from(v, 1), v.len - 2);
	equals = view_find_byte(v, '=');
	struct view left = view_trim(view_first(v, equals));
	struct view right = view_trim(view_from(v, equals == VIEW_NOT_FOUND ? v.len : equals + 1));

	*name = mem_strndup(left.len ? left.data : "", left.len);
	*value = mem_strndup(right.len ? right.data : "", right.len);
}

/* As Postfix writes it: in braces only where there is white space. */
static char *join_override(struct view name, struct view value)
{
	struct str text = STR_EMPTY;
	bool has_space = false;

	for (size_t i = 0; i < value.len; i++)
		has_space |= ascii_is_space(value.data[i]);
	str_printf(&text, has_space ? "{ %.*s = %.*s }" : "%.*s=%.*s", VIEW_ARG(name),
		   VIEW_ARG(value));
	return str_take(&text);
}

static void service_split_entry(struct entry *entry, struct view line)
{
	struct view word;

	while (entry->count < WORDS_MAX - 2 && service_next_word(&line, &word))
		entry->words[entry->count++] = mem_strndup(word.data, word.len);
	for (size_t i = COLUMNS; i < entry->count; i++) {
		_cleanup_free_ char *name = NULL, *value = NULL;

		if (!is_override(entry, i))
			continue;
		split_override(entry->words[++i], &name, &value);
		free(entry->words[i]);
		entry->words[i] = join_override(view_of(name), view_of(value));
	}
}

static int service_add_entry(struct master *master, struct view line, int number)
{
	struct entry *entry;

	if (master->count == ENTRIES_MAX)
		return tool_fail("conf", "%s: more than %d services", master->path, ENTRIES_MAX);
	array_grow(master->entries, master->count);
	entry = &master->entries[master->count++];
	*entry = (struct entry){ .line = number };
	service_split_entry(entry, line);
	if (entry->count < COLUMNS)
		return tool_fail("conf", "%s, line %d: expected 8 columns", master->path, number);
	return TOOL_DONE;
}

static int master_read(struct master *master)
{
	struct error err = ERROR_NONE;
	struct str path = STR_EMPTY;
	struct lines lines;
	struct view line;
	int status = TOOL_DONE;

	*master = (struct master){ 0 };
	str_printf(&path, "%s/master.cf", tool_directory());
	master->path = str_take(&path);
	if (io_read_file(master->path, FILE_MAX, &master->text, &err) < 0)
		return tool_fail("conf", "%s", err.text);
	lines = lines_of(str_view(&master->text));
	while (status == TOOL_DONE && lines_next(&lines, &line))
		status = service_add_entry(master, line, lines.number);
	lines_free(&lines);
	return status;
}

/* ---- names: service/type/rest ---- */

struct name {
	struct view service, type, rest; /* NULL: any */
};

static struct view or_any(struct view part)
{
	return view_is(part, "*") ? VIEW_NONE : part;
}

static struct name parse_name(struct view text)
{
	struct name name = { .service = VIEW_NONE };
	struct view part = VIEW_NONE;
	/* A service's name may be an address and has no "/", but a parameter's value may. */

	if (view_next(&text, '/', &part))
		name.service = or_any(part);
	if (view_next(&text, '/', &part))
		name.type = or_any(part);
	if (text.data != NULL && text.len > 0)
		name.rest = or_any(text);
	return name;
}

static bool service_matches(const struct name *name, const struct entry *entry)
{
	return (name->service.data == NULL || view_is(name->service, entry->words[0])) &&
	       (name->type.data == NULL || view_is(name->type, entry->words[1]));
}

static bool wanted(char *const *patterns, const struct entry *entry, const char *rest)
{
	if (patterns[0] == NULL)
		return true;
	for (; *patterns != NULL; patterns++) {
		struct name name = parse_name(view_of(*patterns));

		if (service_matches(&name, entry) &&
		    (rest == NULL || name.rest.data == NULL || view_is(name.rest, rest)))
			return true;
	}
	return false;
}

/* ---- showing ---- */

/* Columns as Postfix shows them; with `fold` each -o is a line, and long lines are broken. */
static void format_entry(const struct entry *entry, bool fold, struct str *out)
{
	static const size_t starts[COLUMNS] = { 0, 11, 17, 25, 33, 41, 49, 57 };
	size_t line_start = out->len;

	for (size_t i = 0; i < entry->count; i++) {
		struct view word = view_of(entry->words[i]);
		bool is_value = i > COLUMNS && is_override(entry, i - 1);
		size_t column = out->len - line_start;

		if (i < COLUMNS) {
			if (i > 0)
				str_printf(out, "%*s", (int)MAX(1, (int)starts[i] - (int)column),
					   "");
		} else if (fold && !is_value &&
			   (is_override(entry, i) || column + 1 + word.len > LINE_WIDTH)) {
			line_start = out->len + 1;
			str_append(out, VIEW("\n    "));
		} else {
			str_append_byte(out, ' ');
		}
		str_append(out, word);
	}
}

static void show_line(const struct entry *entry, const char *rest, const char *value,
		      const struct conf_view_options *options)
{
	struct json json = JSON_START;

	if (options->json) {
		json_object(&json, NULL);
		json_string(&json, "service", view_of(entry->words[0]));
		json_string(&json, "type", view_of(entry->words[1]));
		json_string(&json, "name", view_of(rest));
		json_string(&json, "value", view_of(value));
		json_end(&json);
		json_print(&json);
		return;
	}
	if (options->names)
		printf("%s/%s/%s", entry->words[0], entry->words[1], rest);
	if (options->names && options->values)
		printf(value[0] != '\0' ? " = " : " =");
	if (options->values)
		printf("%s", value);
	putchar('\n');
}

/* The command with its arguments. */
static void join_command(const struct entry *entry, struct str *command)
{
	for (size_t i = COLUMNS - 1; i < entry->count; i++)
		str_printf(command, "%s%s", command->len ? " " : "", entry->words[i]);
}

static void show_fields(const struct entry *entry, char *const *patterns,
			const struct conf_view_options *options)
{
	_cleanup_(str_free) struct str command = STR_EMPTY;

	join_command(entry, &command);
	for (size_t i = 0; i < COLUMNS; i++)
		if (wanted(patterns, entry, fields[i]))
			show_line(entry, fields[i],
				  i == COLUMNS - 1 ? str_cstr(&command) : entry->words[i], options);
}

static void show_entry(const struct entry *entry, const struct conf_view_options *options)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct json json = JSON_START;

	if (!options->json) {
		format_entry(entry, options->fold, &text);
		printf("%s\n", str_cstr(&text));
		return;
	}
	join_command(entry, &text);
	json_object(&json, NULL);
	for (size_t i = 0; i < COLUMNS; i++)
		json_string(&json, fields[i],
			    i == COLUMNS - 1 ? str_view(&text) : view_of(entry->words[i]));
	json_end(&json);
	json_print(&json);
}

struct override {
	char *name, *value;
};

static int compare_overrides(const void *a, const void *b)
{
	return strcmp(((const struct override *)a)->name, ((const struct override *)b)->name);
}

static void service_show_parameters(const struct entry *entry, char *const *patterns,
				    const struct conf_view_options *options)
{
	struct override overrides[WORDS_MAX / 2 + 1];
	size_t count = 0;

	for (size_t i = COLUMNS; i < entry->count; i++)
		if (is_override(entry, i)) {
			split_override(entry->words[++i], &overrides[count].name,
				       &overrides[count].value);
			count++;
		}
	qsort(overrides, count, sizeof(overrides[0]), compare_overrides);
	for (size_t i = 0; i < count; i++) {
		if (wanted(patterns, entry, overrides[i].name))
			show_line(entry, overrides[i].name, overrides[i].value, options);
		free(overrides[i].name);
		free(overrides[i].value);
	}
}

int conf_services_show(enum conf_services_what what, char *const *patterns,
		       const struct conf_view_options *options)
{
	struct master master;
	int status = master_read(&master);

	for (size_t i = 0; status == TOOL_DONE && i < master.count; i++) {
		const struct entry *entry = &master.entries[i];

		if (what == SERVICES_FIELDS)
			show_fields(entry, patterns, options);
		else if (what == SERVICES_PARAMETERS)
			service_show_parameters(entry, patterns, options);
		else if (wanted(patterns, entry, NULL))
			show_entry(entry, options);
	}
	master_free(&master);
	return status;
}

/* ---- changing ---- */

static void service_set_word(struct entry *entry, size_t at, const char *text)
{
	free(entry->words[at]);
	entry->words[at] = mem_strdup(text);
	entry->changed = true;
}

static void remove_words(struct entry *entry, size_t at, size_t count)
{
	for (size_t i = at; i < at + count; i++)
		free(entry->words[i]);
	memmove(&entry->words[at], &entry->words[at + count],
		(entry->count - at - count) * sizeof(entry->words[0]));
	entry->count -= count;
	entry->changed = true;
}

static int set_field(struct entry *entry, struct view field, struct view value)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		if (!view_is(field, fields[i]))
			continue;
		if (i < COLUMNS - 1) {
			_cleanup_free_ char *text = mem_strndup(value.data, value.len);

			service_set_word(entry, i, text);
			return TOOL_DONE;
		}
		while (entry->count > COLUMNS - 1)
			remove_words(entry, entry->count - 1, 1);
		service_split_entry(entry, value);
		return TOOL_DONE;
	}
	return tool_usage("conf", "no field \"%.*s\" of a service", VIEW_ARG(field));
}

/* Sets, or with an empty view without data removes, an -o. */
static int set_parameter(struct entry *entry, struct view name, struct view value)
{
	_cleanup_free_ char *text = NULL;
	size_t at = COLUMNS;

	for (; at < entry->count; at++) {
		_cleanup_free_ char *other = NULL, *old = NULL;

		if (!is_override(entry, at))
			continue;
		split_override(entry->words[at + 1], &other, &old);
		if (view_is(name, other))
			break;
		at++;
	}
	if (value.data == NULL) {
		if (at < entry->count)
			remove_words(entry, at, 2);
		return TOOL_DONE;
	}
	text = join_override(name, value);
	if (at < entry->count) {
		service_set_word(entry, at + 1, text);
		return TOOL_DONE;
	}
	if (entry->count + 2 > WORDS_MAX)
		return tool_fail("conf", "too many arguments");
	/* In front of the arguments that are no options, as those end the options. */
	for (at = COLUMNS; at < entry->count && entry->words[at][0] == '-'; at++)
		at += is_override(entry, at) ? 1 : 0;
	memmove(&entry->words[at + 2], &entry->words[at],
		(entry->count - at) * sizeof(entry->words[0]));
	entry->words[at] = mem_strdup("-o");
	entry->words[at + 1] = TAKE(text);
	entry->count += 2;
	entry->changed = true;
	return TOOL_DONE;
}

static int change_entry(struct master *master, const struct name *name, struct view value)
{
	for (size_t i = 0; i < master->count; i++) {
		struct entry *entry = &master->entries[i];

		if (!service_matches(name, entry))
			continue;
		while (entry->count > 0)
			remove_words(entry, entry->count - 1, 1);
		service_split_entry(entry, value);
		return entry->count < COLUMNS ? tool_usage("conf", "expected 8 columns")
					      : TOOL_DONE;
	}
	int status = service_add_entry(master, value, 0);

	if (status == TOOL_DONE)
		master->entries[master->count - 1].changed = true;
	return status;
}

static int service_change(struct master *master, enum conf_services_what what, const char *text,
			  bool remove)
{
	size_t equals = view_find_byte(view_of(text), '=');
	struct name name = parse_name(view_trim(view_first(view_of(text), equals)));
	struct view value = view_trim(view_from(view_of(text), equals + 1));
	bool found = false;
	int status = TOOL_DONE;

	if (!remove && equals == VIEW_NOT_FOUND)
		return tool_usage("conf", "expected name=value, not \"%s\"", text);
	if (strchr(text, '\n') != NULL)
		return tool_usage("conf", "a value has one line");
	if (what == SERVICES_ENTRIES && !remove)
		return change_entry(master, &name, value);
	if (what != SERVICES_ENTRIES && name.rest.data == NULL)
		return tool_usage("conf", "expected service/type/name, not \"%s\"", text);
	for (size_t i = 0; status == TOOL_DONE && i < master->count; i++) {
		struct entry *entry = &master->entries[i];

		if (!service_matches(&name, entry))
			continue;
		found = true;
		if (what == SERVICES_ENTRIES)
			entry->changed = true;
		else if (what == SERVICES_FIELDS)
			status = set_field(entry, name.rest, value);
		else
			status = set_parameter(entry, name.rest, remove ? VIEW_NONE : value);
	}
	if (status == TOOL_DONE && !found)
		return tool_fail("conf", "master.cf has no service \"%s\"", text);
	return status;
}

/* Refuses what would make master.cf wrong. */
static int write_master(struct master *master, const struct conf_edit *edits, size_t count)
{
	_cleanup_(str_free) struct str out = STR_EMPTY, report = STR_EMPTY;
	struct services services;
	struct error err = ERROR_NONE;
	int r;

	conf_edit_text(str_view(&master->text), edits, count, &out);
	r = services_parse(str_view(&out), "master.cf", &services, &report);
	services_free(&services);
	if (r < 0) {
		fputs(str_cstr(&report), stderr);
		return tool_fail("conf", "%s is left as it was", master->path);
	}
	if (conf_edit_replace(master->path, str_view(&out), &err) < 0)
		return tool_fail("conf", "%s", err.text);
	return TOOL_DONE;
}

int conf_services_edit(enum conf_services_what what, char *const *changes, bool remove,
		       bool comment_out)
{
	bool whole = what == SERVICES_ENTRIES && (remove || comment_out);
	struct conf_edit *edits;
	struct master master;
	size_t count = 0;
	int status = master_read(&master);

	if (comment_out && what != SERVICES_ENTRIES)
		status = tool_usage("conf", "-# is for whole entries (-M)");
	if (remove && what == SERVICES_FIELDS)
		status = tool_usage("conf", "a field cannot be removed");
	for (; status == TOOL_DONE && *changes != NULL; changes++)
		status = service_change(&master, what, *changes, remove || comment_out);
	edits = mem_new_array(struct conf_edit, master.count + 1);
	for (size_t i = 0; i < master.count; i++) {
		if (!master.entries[i].changed)
			continue;
		edits[count].line = master.entries[i].line;
		edits[count].comment_out = comment_out;
		if (!whole)
			format_entry(&master.entries[i], true, &edits[count].text);
		count++;
	}
	if (status == TOOL_DONE)
		status = write_master(&master, edits, count);
	for (size_t i = 0; i < count; i++)
		str_free(&edits[i].text);
	free(edits);
	master_free(&master);
	return status;
}
