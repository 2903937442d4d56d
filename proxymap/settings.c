/* Reading the settings of one table. Knows the names of none. */
#include "settings.h"

#include <errno.h>

#include "base/io.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/lines.h"

#define SETTINGS_FILE_MAX ((size_t)1 << 20)

struct setting {
	char *value;
	bool used;
};
struct settings {
	char *path;	    /* or NULL */
	char *prefix;	    /* of parameters in main.cf, or NULL */
	struct map *values; /* of the file; of main.cf those that were asked for */
};

static struct setting *settings_add(struct settings *settings, struct view name, struct view value)
{
	struct setting *setting = map_get(settings->values, name);
	/* It may be the old value itself. */
	char *copy = mem_strndup(value.data, value.len);

	if (setting == NULL) {
		setting = mem_new(struct setting);
		map_put(settings->values, name, setting);
	}
	free(setting->value);
	setting->value = copy;
	return setting;
}

static int settings_read(struct settings *settings, struct error *err)
{
	_cleanup_(str_wipe) struct str text = STR_EMPTY;
	int r = io_read_file(settings->path, SETTINGS_FILE_MAX, &text, err);
	struct lines lines = lines_of(str_view(&text));
	struct view line;

	while (r == 0 && lines_next(&lines, &line)) {
		size_t equals = view_find_byte(line, '=');
		struct view name = view_trim(view_first(line, equals));

		if (equals == VIEW_NOT_FOUND || name.len == 0 || ascii_is_space(line.data[0]))
			r = error_set(err, -EINVAL, "%s, line %d: expected name = value",
				      settings->path, lines.number);
		else
			settings_add(settings, name, view_trim(view_from(line, equals + 1)));
	}
	lines_free(&lines);
	return r;
}

struct settings *settings_open(struct view name, struct error *err)
{
	struct settings *settings = mem_new(struct settings);
	int r = 0;

	settings->values = map_new();
	if (view_starts(name, VIEW("/")) || view_starts(name, VIEW("."))) {
		settings->path = mem_strndup(name.data, name.len);
		r = settings_read(settings, err);
	} else if (name.len > 0) {
		settings->prefix = mem_strndup(name.data, name.len);
	} else {
		r = error_set(err, -EINVAL, "the table has no name");
	}
	if (r == 0)
		return settings;
	settings_free(settings);
	return NULL;
}

/* A backslash at the end of a line: the next one goes on. */
static void settings_join(struct str *text)
{
	for (size_t i = 1; i < text->len; i++)
		if (text->data[i] == '\n' && text->data[i - 1] == '\\')
			text->data[i - 1] = text->data[i] = ' ';
}

static struct view settings_unquote(struct view value)
{
	if (value.len >= 2 && (value.data[0] == '"' || value.data[0] == '\'') &&
	    value.data[value.len - 1] == value.data[0])
		return view_make(value.data + 1, value.len - 2);
	return value;
}

struct settings *settings_open_dovecot(const char *path, struct error *err)
{
	_cleanup_(str_wipe) struct str text = STR_EMPTY;
	struct settings *settings = mem_new(struct settings);
	int r = io_read_file(path, SETTINGS_FILE_MAX, &text, err);
	struct view rest, line;

	settings->values = map_new();
	settings->path = mem_strdup(path);
	settings_join(&text);
	rest = str_view(&text);
	for (int number = 1; r == 0 && view_next(&rest, '\n', &line); number++) {
		size_t equals;

		line = view_trim(line);
		if (line.len == 0 || line.data[0] == '#')
			continue;
		equals = view_find_byte(line, '=');
		if (equals == VIEW_NOT_FOUND || equals == 0)
			r = error_set(err, -EINVAL, "%s, line %d: expected name = value", path,
				      number);
		else
			settings_add(settings, view_trim(view_first(line, equals)),
				     settings_unquote(view_trim(view_from(line, equals + 1))));
	}
	if (r == 0)
		return settings;
	settings_free(settings);
	return NULL;
}

void settings_set(struct settings *settings, const char *name, struct view value)
{
	settings_add(settings, view_of(name), value);
}

void settings_free(struct settings *settings)
{
	if (settings == NULL)
		return;
	map_for_each (settings->values, i) {
		struct setting *setting = map_value_at(settings->values, i);

		mem_wipe(setting->value, strlen(setting->value));
		free(setting->value);
		free(setting);
	}
	map_free(settings->values);
	free(settings->path);
	free(settings->prefix);
	free(settings);
}

const char *settings_path(const struct settings *settings)
{
	return settings->path;
}

const char *settings_text(struct settings *settings, const char *name, const char *otherwise)
{
	struct setting *setting = map_get(settings->values, view_of(name));

	if (setting == NULL && settings->prefix != NULL) {
		_cleanup_(str_free) struct str full = STR_EMPTY;
		const char *value;

		str_printf(&full, "%s_%s", settings->prefix, name);
		value = conf_get(str_cstr(&full));
		if (value != NULL)
			setting = settings_add(settings, view_of(name), view_of(value));
	}
	if (setting == NULL)
		return otherwise;
	setting->used = true;
	return setting->value;
}

static const char *settings_where(const struct settings *settings)
{
	return settings->path != NULL ? settings->path : settings->prefix;
}

int64_t settings_number(struct settings *settings, const char *name, int64_t otherwise, int64_t min,
			int64_t max)
{
	const char *text = settings_text(settings, name, NULL);
	uint64_t number;

	if (text == NULL)
		return otherwise;
	if (view_parse_u64(view_of(text), (uint64_t)max, &number) == 0 && (int64_t)number >= min)
		return (int64_t)number;
	log_warning("%s: %s = %s is no number from %lld to %lld; it is taken for %lld",
		    settings_where(settings), name, text, (long long)min, (long long)max,
		    (long long)otherwise);
	return otherwise;
}

bool settings_flag(struct settings *settings, const char *name, bool otherwise)
{
	const char *text = settings_text(settings, name, NULL);

	if (text == NULL)
		return otherwise;
	if (view_is_nocase(view_of(text), "yes") || view_is_nocase(view_of(text), "no"))
		return view_is_nocase(view_of(text), "yes");
	log_warning("%s: %s = %s is neither yes nor no; it is taken for %s",
		    settings_where(settings), name, text, otherwise ? "yes" : "no");
	return otherwise;
}

void settings_report_unused(const struct settings *settings)
{
	if (settings->path == NULL)
		return;
	map_for_each (settings->values, i) {
		struct setting *setting = map_value_at(settings->values, i);

		if (!setting->used)
			log_warning("%s: unused setting: %.*s", settings->path,
				    VIEW_ARG(map_key_at(settings->values, i)));
	}
}
