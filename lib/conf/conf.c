/* Reading main.cf. */
#include "conf/conf.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/expand.h"
#include "conf/lines.h"
#include "conf/state.h"

struct conf_state conf_state;
static const char *read_for;

void conf_read_for(const char *program)
{
	read_for = program;
}

const char *conf_mistakes_of_others(void)
{
	return str_cstr(&conf_state.mistakes_of_others);
}

const char *conf_directory(void)
{
	return conf_state.directory ? conf_state.directory : "";
}

const struct conf_setting *conf_settings(size_t *count)
{
	*count = conf_state.setting_count;
	return conf_state.settings;
}

const struct conf_setting *conf_setting(const char *name)
{
	return conf_state.by_name ? map_get(conf_state.by_name, view_of(name)) : NULL;
}

static void free_values(struct map *map)
{
	if (map == NULL)
		return;
	map_for_each (map, i)
		free(map_value_at(map, i));
	map_free(map);
}

void conf_unload(void)
{
	for (size_t i = 0; i < conf_state.setting_count; i++) {
		free(conf_state.settings[i].name);
		free(conf_state.settings[i].value);
	}
	free(conf_state.settings);
	free(conf_state.directory);
	map_free(conf_state.by_name);
	free_values(conf_state.computed);
	free_values(conf_state.values);
	str_free(&conf_state.mistakes_of_others);
	free(conf_state.own_queue);
	conf_state = (struct conf_state){ 0 };
}

void conf_describe(const struct conf_setting *setting, struct str *out)
{
	if (setting == NULL)
		str_append(out, VIEW("default: "));
	else if (setting->line > 0)
		str_printf(out, "main.cf, line %d: ", setting->line);
	else
		str_printf(out, "-o %s=%s: ", setting->name, setting->value);
}

static void add_setting(struct view name, struct view value, int line)
{
	size_t count = conf_state.setting_count;

	if ((count & (count - 1)) == 0)
		conf_state.settings = mem_resize(conf_state.settings, count ? count * 2 : 1,
						 sizeof(*conf_state.settings));
	conf_state.settings[count] = (struct conf_setting){
		.name = mem_strndup(name.data, name.len),
		.value = mem_strndup(value.len ? value.data : "", value.len),
		.line = line,
	};
	conf_state.setting_count++;
}

static bool is_name(struct view name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (!ascii_is_alnum(c) && c != '_' && c != '-' && c != '.')
			return false;
	}
	return name.len > 0;
}

/* The part of a line that a report shows. */
static void conf_quote(struct str *report, struct view text)
{
	str_append_byte(report, '"');
	str_append_printable(report, view_first(text, 60));
	str_append(report, text.len > 60 ? VIEW("...\"") : VIEW("\""));
}

static void conf_parse_line(struct view line, int number, struct str *report)
{
	size_t equals = view_find_byte(line, '=');
	struct view name = view_trim(view_first(line, equals));
	struct view value =
		view_trim(view_from(line, equals == VIEW_NOT_FOUND ? line.len : equals + 1));

	if (ascii_is_space(line.data[0])) {
		str_printf(report,
			   "main.cf, line %d: begins with white space but continues nothing\n",
			   number);
	} else if (view_find_byte(line, '\0') != VIEW_NOT_FOUND) {
		str_printf(report, "main.cf, line %d: a NUL byte in the text\n", number);
	} else if (equals == VIEW_NOT_FOUND) {
		str_printf(report, "main.cf, line %d: expected name = value, not ", number);
		conf_quote(report, line);
		str_append(report, VIEW("\n"));
	} else if (!is_name(name)) {
		str_printf(report, "main.cf, line %d: not a parameter's name: ", number);
		conf_quote(report, name);
		str_append(report, VIEW("\n"));
	} else {
		add_setting(name, value, number);
	}
}

static void conf_parse_text(struct view text, struct str *report)
{
	struct lines lines = lines_of(text);
	struct view line;

	while (lines_next(&lines, &line)) {
		if (conf_state.setting_count >= CONF_SETTINGS_MAX) {
			str_printf(report, "main.cf, line %d: more than %d parameters\n",
				   lines.number, CONF_SETTINGS_MAX);
			break;
		}
		conf_parse_line(line, lines.number, report);
	}
	lines_free(&lines);
}

/* ---- looking values up ---- */

const char *conf_default(const char *name)
{
	const char *computed =
		conf_state.computed ? map_get(conf_state.computed, view_of(name)) : NULL;
	const struct param_info *info = param_find(view_of(name));

	if (computed != NULL)
		return computed;
	return info != NULL ? info->value : conf_transport_default(view_of(name));
}

const char *conf_lookup_raw(void *unused, struct view name)
{
	const char *computed = map_get(conf_state.computed, name);
	const struct conf_setting *setting = map_get(conf_state.by_name, name);
	const struct param_info *info;

	(void)unused;
	/* What is computed is not set, or set to a file's name that has been read. */
	if (computed != NULL)
		return computed;
	if (setting != NULL)
		return setting->value;
	info = param_find(name);
	return info ? info->value : NULL;
}

int conf_expand(struct view text, struct str *out, struct error *err)
{
	return value_expand(text, conf_lookup_raw, NULL, out, err);
}

/* The expanded value, kept; NULL if there is none, or with *err if it cannot be expanded. */
static const char *parameter_get(const char *name, struct error *err)
{
	char *value = map_get(conf_state.values, view_of(name));
	const char *raw;
	struct str out = STR_EMPTY;

	if (value != NULL)
		return value;
	raw = conf_lookup_raw(NULL, view_of(name));
	if (raw == NULL)
		return NULL;

	const struct param_info *info = param_find(view_of(name));

	if (info != NULL && info->type == PARAM_TYPE_RAW) {
		str_append_cstr(&out, raw);
	} else if (conf_expand(view_of(raw), &out, err) < 0) {
		str_free(&out);
		return NULL;
	}
	struct view trimmed = view_trim(str_view(&out));

	value = mem_strndup(trimmed.len ? trimmed.data : "", trimmed.len);
	str_free(&out);
	map_put(conf_state.values, view_of(name), value);
	return value;
}

const char *conf_get(const char *name)
{
	return conf_state.values ? parameter_get(name, NULL) : NULL;
}

/* ---- filling `param` ---- */

struct params param;

/* Where each parameter of param_table has its place; SIZE_MAX: it has none. */
static const size_t offsets[] = {
#define PARAM(type, member, name, value, help, words, min, max, unit) offsetof(struct params, name),
#define PARAM_KNOWN(type, name, value, words, readers)		      SIZE_MAX,
#define PARAM_GROUP(heading, readers)
#include "conf/every_param.h"
};

static int parse_bool(struct view text, bool *value, struct error *err)
{
	if (!view_is_nocase(text, "yes") && !view_is_nocase(text, "no"))
		return error_set(err, -EINVAL, "expected yes or no, not \"%.*s\"",
				 VIEW_ARG(view_first(text, 60)));
	*value = view_is_nocase(text, "yes");
	return 0;
}

static int parse_int(struct view text, const struct param_info *info, int64_t *value,
		     struct error *err)
{
	bool negative = text.len > 0 && text.data[0] == '-';
	uint64_t number;
	int r = view_parse_u64(view_from(text, negative), INT64_MAX, &number);

	if (r == 0)
		*value = negative ? -(int64_t)number : (int64_t)number;
	if (r < 0 || *value < info->min || *value > info->max)
		return error_set(err, -EINVAL, "expected a number from %lld to %lld, not \"%.*s\"",
				 (long long)info->min, (long long)info->max,
				 VIEW_ARG(view_first(text, 60)));
	return 0;
}

static int check_words(const char *words, struct view list, struct error *err)
{
	struct view word;

	while (words[0] != '\0' && conf_next_element(&list, &word))
		if (!param_has_word(words, word))
			return error_set(err, -EINVAL, "\"%.*s\" is none of %s",
					 VIEW_ARG(view_first(word, 60)), words);
	return 0;
}

static int parameter_store(const struct param_info *info, void *place, const char *text,
			   struct error *err)
{
	struct view value = view_trim(view_of(text));

	switch (info->type) {
	case PARAM_TYPE_ENUM:
		if (!param_has_word(info->words, value))
			return error_set(err, -EINVAL, "expected %s, not \"%.*s\"",
					 info->words + (info->words[0] == '|'),
					 VIEW_ARG(view_first(value, 60)));
		for (char *c = map_get(conf_state.values, view_of(info->name)); c && *c; c++)
			*c = ascii_lower(*c); /* so that programs need not fold it */
		*(const char **)place = text;
		return 0;
	case PARAM_TYPE_LIST:
		*(const char **)place = text;
		return check_words(info->words, value, err);
	case PARAM_TYPE_TABLES:
	case PARAM_TYPE_STR:
	case PARAM_TYPE_RAW:
		*(const char **)place = text;
		return 0;
	case PARAM_TYPE_BOOL:
		return parse_bool(value, place, err);
	case PARAM_TYPE_INT:
		return parse_int(value, info, place, err);
	case PARAM_TYPE_TIME:
		if (conf_parse_time(value, info->unit, place) == 0)
			return 0;
		return error_set(err, -EINVAL,
				 "expected a time like 30s, 5m, 2h, 3d or 1w, not \"%.*s\"",
				 VIEW_ARG(view_first(value, 60)));
	case PARAM_TYPE_NAMED:
	case PARAM_TYPE_LATER:
	case PARAM_TYPE_NEEDLESS:
	case PARAM_TYPE_GUARD:
		break;
	}
	return 0;
}

/* A mistake in what others read stops them, not this program. */
static void report_error(const char *name, const struct error *err, struct str *report)
{
	const struct param_info *info = param_find(view_of(name));

	if (read_for != NULL && (info == NULL || !param_is_read_by(info, read_for)))
		report = &conf_state.mistakes_of_others;
	conf_describe(conf_setting(name), report);
	str_printf(report, "%s: ", name);
	str_append_printable(report, view_of(err->text));
	str_append_byte(report, '\n');
}

static void parameters_fill(struct str *report)
{
	for (size_t i = 0; i < param_table_count; i++) {
		const struct param_info *info = &param_table[i];
		struct error err = ERROR_NONE;
		const char *text;

		if (offsets[i] == SIZE_MAX)
			continue;

		void *place = (char *)&param + offsets[i];

		text = parameter_get(info->name, &err);
		if (text == NULL || parameter_store(info, place, text, &err) < 0) {
			report_error(info->name, &err, report);
			/* Nobody goes on with this, but a tool that shows it must not crash. */
			parameter_store(info, place, info->value, NULL);
		}
	}
	/* What is not in the table must be sound too: other values refer to it. */
	for (size_t i = 0; i < conf_state.setting_count; i++) {
		const char *name = conf_state.settings[i].name;
		const struct param_info *info = param_find(view_of(name));
		struct error err = ERROR_NONE;

		if ((info == NULL || param_is_later(info)) &&
		    &conf_state.settings[i] == conf_setting(name) &&
		    parameter_get(name, &err) == NULL)
			report_error(name, &err, report);
	}
}

/* A value of myorigin that begins with "/" names a file whose first line is meant. */
static void read_origin(struct str *report)
{
	const char *path = conf_get("myorigin");
	struct str text = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct view rest, line = VIEW_NONE;

	if (path == NULL || path[0] != '/')
		return;
	if (io_read_file(path, 4096, &text, &err) < 0) {
		report_error("myorigin", &err, report);
	} else {
		rest = str_view(&text);
		view_next(&rest, '\n', &line);
		line = view_trim(line);

		_cleanup_free_ char *origin = mem_strndup(line.len ? line.data : "", line.len);

		if (line.len == 0) {
			error_set(&err, -EINVAL, "the first line of %s is empty", path);
			report_error("myorigin", &err, report);
		}
		conf_set_computed("myorigin", origin);
		free(map_remove(conf_state.values, VIEW("myorigin")));
	}
	str_free(&text);
}

static int conf_load_as(bool of_postfix, struct view text, const char *directory,
			const struct conf_override *overrides, size_t count, struct str *report)
{
	char *own_directory = mem_strdup(directory);
	size_t before = report->len;

	conf_unload();
	conf_state.directory = own_directory;
	conf_state.of_postfix = of_postfix;
	conf_state.by_name = map_new();
	conf_state.computed = map_new();
	conf_state.values = map_new();
	conf_parse_text(text, report);
	for (size_t i = 0; i < count; i++) {
		if (is_name(view_of(overrides[i].name)))
			add_setting(view_of(overrides[i].name), view_of(overrides[i].value), 0);
		else
			str_printf(report, "-o %s=%s: not a parameter's name\n", overrides[i].name,
				   overrides[i].value);
	}
	for (size_t i = 0; i < conf_state.setting_count; i++)
		map_put(conf_state.by_name, view_of(conf_state.settings[i].name),
			&conf_state.settings[i]);
	conf_compute_defaults();
	read_origin(report);
	parameters_fill(report);
	conf_adjust_postfix();
	if (read_for != NULL)
		conf_check_guards(read_for, report);
	return report->len > before ? -EINVAL : 0;
}

int conf_load_text(struct view text, const char *directory, const struct conf_override *overrides,
		   size_t count, struct str *report)
{
	return conf_load_as(false, text, directory, overrides, count, report);
}

/* Its mistakes are told by who reads it for its own sake. */
static bool directory_is_of_postfix(const char *directory)
{
	_cleanup_(str_free) struct str unused = STR_EMPTY;
	struct services services;
	bool answer;

	services_load(directory, &services, &unused);
	answer = services_are_of_postfix(&services);
	services_free(&services);
	return answer;
}

int conf_load(const char *directory, const struct conf_override *overrides, size_t count,
	      struct str *report)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	/* Programs change their working directory: $config_directory must mean the same there. */
	_cleanup_free_ char *absolute = directory[0] == '/' ? NULL : realpath(directory, NULL);
	struct error err = ERROR_NONE;

	directory = absolute ? absolute : directory;
	str_printf(&path, "%s/main.cf", directory);
	if (io_read_file(str_cstr(&path), CONF_FILE_MAX, &text, &err) < 0) {
		str_printf(report, "%s\n", err.text);
		return -EINVAL;
	}
	return conf_load_as(directory_is_of_postfix(directory), str_view(&text), directory,
			    overrides, count, report);
}

/* ---- parameters of a transport ---- */

const char *conf_get_for(const char *transport, const char *suffix)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;

	str_printf(&name, "%s_%s", transport, suffix);
	if (conf_setting(str_cstr(&name)) != NULL || param_find(str_view(&name)) != NULL)
		return conf_get(str_cstr(&name));
	str_clear(&name);
	str_printf(&name, "default_%s", suffix);
	if (conf_setting(str_cstr(&name)) != NULL || param_find(str_view(&name)) != NULL)
		return conf_get(str_cstr(&name));
	/* initial_destination_concurrency has its default under the bare name. */
	return conf_get(suffix);
}

int64_t conf_get_int_for(const char *transport, const char *suffix, int64_t otherwise)
{
	const char *text = conf_get_for(transport, suffix);
	uint64_t value;

	if (text == NULL || view_parse_u64(view_trim(view_of(text)), INT64_MAX, &value) < 0)
		return otherwise;
	return (int64_t)value;
}

msec_t conf_get_time_for(const char *transport, const char *suffix, msec_t otherwise)
{
	const char *text = conf_get_for(transport, suffix);
	msec_t value;

	if (text == NULL || conf_parse_time(view_trim(view_of(text)), 's', &value) < 0)
		return otherwise;
	return value;
}

bool conf_overrides(const char *option)
{
	struct view rest = view_of(param.receive_override_options), element;

	while (conf_next_element(&rest, &element))
		if (view_is(element, option))
			return true;
	return false;
}
