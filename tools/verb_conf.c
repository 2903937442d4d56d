/* posta conf, postconf: shows, explains and edits parameters and services. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "tools/conf_about.h"
#include "tools/conf_edit.h"
#include "tools/conf_services.h"
#include "tools/json.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta conf [-dfhHnx] [-o NAME=VALUE] [NAME...]     shows parameters\n"
	"       posta conf explain NAME...                        says what a parameter is for\n"
	"       posta conf -e NAME=VALUE...                       sets, in the place where it "
	"stands\n"
	"       posta conf -X NAME... | -# NAME...                removes, comments out\n"
	"       posta conf -M | -F | -P [SERVICE/TYPE...]         master.cf: entries, fields, -o\n"
	"       posta conf -M|-F|-P -e NAME=VALUE..., -MX, -M#    changes them\n"
	"       posta conf -m | -l | -a | -A | -T MODE            types of tables, of locks, of "
	"SASL;\n"
	"                                                         TLS (compile-version, "
	"run-version,\n"
	"                                                         public-key-algorithms)\n"
	"\n"
	"  -n  only what main.cf sets        -d  the defaults\n"
	"  -x  with $name expanded           -f  long lines folded\n"
	"  -h  values only                   -H  names only\n"
	"  -c DIR  folder of main.cf         -j, --json  as JSON\n"
	"  -b, -t, -C CLASS, -p, -v are accepted and mean nothing here.\n";

enum { OVERRIDES_MAX = 100, FOLD_WIDTH = 79, FILE_MAX = 4 << 20, EDITS_MAX = 200 };

/* ---- showing ---- */

static void print_folded(const char *text)
{
	struct view rest = view_of(text), word;
	size_t column = 0;

	while (view_next_word(&rest, " \t\r\n", &word)) {
		if (column > 0 && column + 1 + word.len > FOLD_WIDTH) {
			printf("\n   ");
			column = 3;
		}
		printf("%s%.*s", column > 0 ? " " : "", VIEW_ARG(word));
		column += word.len + (column > 0);
	}
	putchar('\n');
}

static void print_parameter(const char *name, const char *value,
			    const struct conf_view_options *options)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	struct view rest = view_of(value), word;

	if (options->names)
		str_printf(&line, "%s", name);
	if (options->names && options->values)
		str_append(&line, VIEW(" ="));
	/* White space of continuation lines is shown as one blank. */
	while (options->values && view_next_word(&rest, " \t\r\n", &word))
		str_printf(&line, "%s%.*s", line.len ? " " : "", VIEW_ARG(word));
	if (options->fold)
		print_folded(str_cstr(&line));
	else
		printf("%s\n", str_cstr(&line));
}

/* The value to show: set or default, expanded or not. False: it cannot be expanded. */
static bool value_of(const char *name, const struct conf_view_options *options, struct str *value)
{
	const struct conf_setting *setting = conf_setting(name);
	const char *raw = setting && !options->defaults ? setting->value : conf_default(name);
	const struct param_info *info = param_find(view_of(name));
	struct error err = ERROR_NONE;

	if (raw == NULL)
		raw = "";
	if (!options->expand || (info != NULL && info->type == PARAM_TYPE_RAW)) {
		str_append_cstr(value, raw);
		return true;
	}
	if (conf_expand(view_of(raw), value, &err) == 0)
		return true;
	fprintf(stderr, "posta conf: %s: %s\n", name, err.text);
	str_append_cstr(value, raw);
	return false;
}

static int parameter_show(struct json *json, const char *name,
			  const struct conf_view_options *options)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	bool good = value_of(name, options, &value);

	if (options->json)
		json_string(json, name, str_view(&value));
	else
		print_parameter(name, str_cstr(&value), options);
	return good ? TOOL_DONE : TOOL_NO;
}

static int parameter_compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Of a transport: unless the table or main.cf has it anyway. */
static bool is_new_name(const char *name, const struct conf_view_options *options)
{
	return options->defaults || conf_setting(name) == NULL;
}

/*
 * All names that there are, sorted: what is set, and unless only that, what is in the table and what
 * it has for each transport (which stand in `transports`).
 */
static const char **all_names(const struct conf_view_options *options, char *const *transports,
			      size_t transport_count, size_t *count)
{
	size_t set, at = 0;
	const struct conf_setting *settings = conf_settings(&set);
	const char **names =
		mem_new_array(const char *, set + param_table_count + transport_count + 1);

	for (size_t i = 0; i < set; i++)
		if (conf_setting(settings[i].name) == &settings[i] &&
		    (options->only_set ||
		     (!options->defaults && param_find(view_of(settings[i].name)) == NULL)))
			names[at++] = settings[i].name;
	for (size_t i = 0; !options->only_set && i < param_table_count; i++)
		if (param_find(view_of(param_table[i].name)) == &param_table[i])
			names[at++] = param_table[i].name;
	for (size_t i = 0; !options->only_set && i < transport_count; i++)
		if (is_new_name(transports[i], options))
			names[at++] = transports[i];
	qsort(names, at, sizeof(*names), parameter_compare_names);
	*count = at;
	return names;
}

static int show_all(struct json *json, const struct conf_view_options *options)
{
	size_t count, transport_count;
	char **transports = conf_transport_names(&transport_count);
	const char **names = all_names(options, transports, transport_count, &count);
	int status = TOOL_DONE;

	for (size_t i = 0; i < count; i++)
		/* The same transport may stand in master.cf twice. */
		if ((i == 0 || strcmp(names[i], names[i - 1]) != 0) &&
		    parameter_show(json, names[i], options) != TOOL_DONE)
			status = TOOL_NO;
	free(names);
	conf_transport_names_free(transports);
	return status;
}

static int show_named(struct json *json, char *const *wanted,
		      const struct conf_view_options *options)
{
	int status = TOOL_DONE;

	for (; *wanted != NULL; wanted++) {
		const char *near = param_nearest(view_of(*wanted));

		if (conf_setting(*wanted) == NULL && conf_default(*wanted) == NULL) {
			/* Scripts that call postconf expect it to go on. */
			if (near != NULL)
				tool_fail("conf",
					  "warning: unknown parameter: %s (did you mean %s?)",
					  *wanted, near);
			else
				tool_fail("conf", "warning: unknown parameter: %s", *wanted);
		} else if (!options->only_set || conf_setting(*wanted) != NULL) {
			int r = parameter_show(json, *wanted, options);

			status = r != TOOL_DONE ? r : status;
		}
	}
	return status;
}

static int conf_show_parameters(char *const *wanted, const struct conf_view_options *options)
{
	struct json json = JSON_START;
	int status;

	if (options->json)
		json_object(&json, NULL);
	status = wanted[0] != NULL ? show_named(&json, wanted, options) : show_all(&json, options);
	if (options->json) {
		json_end(&json);
		json_print(&json);
	}
	return status;
}

/* ---- explaining ---- */

static void explain_type(const struct param_info *info)
{
	switch (info->type) {
	case PARAM_TYPE_STR:
	case PARAM_TYPE_NAMED:
		printf("  type: text\n");
		break;
	case PARAM_TYPE_RAW:
		printf("  type: text; $names in it are expanded when it is used\n");
		break;
	case PARAM_TYPE_BOOL:
		printf("  type: yes or no\n");
		break;
	case PARAM_TYPE_INT:
		printf("  type: number from %lld to %lld\n", (long long)info->min,
		       (long long)info->max);
		break;
	case PARAM_TYPE_TIME:
		printf("  type: time; without a unit (s m h d w) in units of \"%c\"\n", info->unit);
		break;
	case PARAM_TYPE_ENUM:
		printf("  type: one of %s\n", info->words + (info->words[0] == '|'));
		break;
	case PARAM_TYPE_LIST:
		printf("  type: list%s%s\n", info->words[0] ? " of " : "", info->words);
		break;
	case PARAM_TYPE_TABLES:
		printf("  type: look-up tables\n");
		break;
	case PARAM_TYPE_NEEDLESS:
		printf("  Postfix has this parameter; it is of no consequence here\n");
		break;
	case PARAM_TYPE_GUARD:
		printf("  Postfix has this parameter; it is not yet in force, and what needs it "
		       "does "
		       "not start: %s\n",
		       info->readers);
		break;
	case PARAM_TYPE_LATER:
		printf("  Postfix has this parameter; Posta knows it, and it is not yet in "
		       "force\n");
		break;
	}
}

static int parameter_explain(const char *name)
{
	const struct param_info *info = param_find(view_of(name));
	const struct conf_setting *setting = conf_setting(name);
	const char *value = conf_get(name), *otherwise = conf_default(name);
	const char *near = param_nearest(view_of(name));

	if (info == NULL && setting == NULL)
		return near ? tool_fail("conf", "unknown parameter: %s (did you mean %s?)", name,
					near)
			    : tool_fail("conf", "unknown parameter: %s", name);
	printf("%s = %s\n", name, value ? value : "");
	if (info != NULL && info->help[0] != '\0')
		printf("  %s\n", info->help);
	if (info != NULL)
		explain_type(info);
	else
		printf("  not a parameter of Posta: a name of your own\n");
	if (setting != NULL && setting->line > 0)
		printf("  set in main.cf, line %d: %s\n", setting->line, setting->value);
	else if (setting != NULL)
		printf("  set by -o: %s\n", setting->value);
	if (otherwise != NULL)
		printf("  default: %s\n", otherwise[0] ? otherwise : "(empty)");
	return TOOL_DONE;
}

/* ---- editing main.cf ---- */

enum edit { EDIT_NONE, EDIT_SET, EDIT_REMOVE, EDIT_COMMENT };

static int prepare_edit(const char *text, enum edit kind, struct conf_edit *edit)
{
	struct view v = view_of(text);
	size_t equals = view_find_byte(v, '=');
	_cleanup_free_ char *name = NULL;
	struct view left = view_trim(kind == EDIT_SET ? view_first(v, equals) : v);
	const struct conf_setting *setting;

	if (kind == EDIT_SET && equals == VIEW_NOT_FOUND)
		return tool_usage("conf", "expected name=value, not \"%s\"", text);
	if (view_find_byte(v, '\n') != VIEW_NOT_FOUND)
		return tool_usage("conf", "a value has one line");
	name = mem_strndup(left.len ? left.data : "", left.len);
	setting = conf_setting(name);
	*edit = (struct conf_edit){ .line = setting ? setting->line : 0,
				    .comment_out = kind == EDIT_COMMENT };
	if (kind == EDIT_SET) {
		struct view value = view_trim(view_from(v, equals + 1));

		str_printf(&edit->text, "%s =%s%.*s", name, value.len ? " " : "", VIEW_ARG(value));
	} else if (setting == NULL)
		return tool_fail("conf", "main.cf does not set %s", name);
	return TOOL_DONE;
}

/* An edit must not add errors to those that main.cf may have. */
static int write_main(const char *path, struct view old, const struct conf_edit *edits,
		      size_t count)
{
	_cleanup_(str_free) struct str out = STR_EMPTY, before = STR_EMPTY, after = STR_EMPTY;
	_cleanup_free_ char *directory = mem_strdup(tool_directory());
	struct error err = ERROR_NONE;

	conf_edit_text(old, edits, count, &out);
	conf_load_text(old, directory, NULL, 0, &before);
	conf_load_text(str_view(&out), directory, NULL, 0, &after);
	if (after.len > 0 && !view_eq(str_view(&before), str_view(&after))) {
		fputs(str_cstr(&after), stderr);
		if (before.len == 0)
			return tool_fail("conf", "%s is left as it was", path);
	}
	if (conf_edit_replace(path, str_view(&out), &err) < 0)
		return tool_fail("conf", "%s", err.text);
	str_clear(&after);
	conf_unused(&after);
	fputs(str_cstr(&after), stderr);
	return TOOL_DONE;
}

static int edit_main(char *const *changes, enum edit kind)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY, report = STR_EMPTY;
	_cleanup_free_ struct conf_edit *edits = mem_new_array(struct conf_edit, EDITS_MAX);
	struct error err = ERROR_NONE;
	size_t count = 0;
	int status = TOOL_DONE;

	str_printf(&path, "%s/main.cf", tool_directory());
	if (io_read_file(str_cstr(&path), FILE_MAX, &text, &err) < 0)
		return tool_fail("conf", "%s", err.text);
	conf_load_text(str_view(&text), tool_directory(), NULL, 0, &report);
	for (; status == TOOL_DONE && *changes != NULL; changes++) {
		if (count == EDITS_MAX)
			status = tool_usage("conf", "more than %d changes at once", EDITS_MAX);
		else
			status = prepare_edit(*changes, kind, &edits[count++]);
	}
	if (status == TOOL_DONE)
		status = write_main(str_cstr(&path), str_view(&text), edits, count);
	for (size_t i = 0; i < count; i++)
		str_free(&edits[i].text);
	return status;
}

/* ---- options ---- */

struct job {
	struct conf_view_options view;
	enum edit edit;
	bool services;
	int about; /* -m and its kin; 0: none */
	const char *about_mode;
	enum conf_services_what what;
	struct conf_override *overrides; /* OVERRIDES_MAX at most */
	size_t override_count;
};

static int conf_add_override(struct job *job, char *text)
{
	char *equals = strchr(text, '=');

	if (equals == NULL || job->override_count == OVERRIDES_MAX)
		return tool_usage("conf", "expected -o NAME=VALUE");
	*equals = '\0';

	struct view value = view_trim(view_of(equals + 1));
	struct view name = view_trim(view_of(text));

	array_grow(job->overrides, job->override_count);
	job->overrides[job->override_count++] = (struct conf_override){
		.name = mem_strndup(name.len ? name.data : "", name.len),
		.value = mem_strndup(value.len ? value.data : "", value.len),
	};
	return TOOL_DONE;
}

static int conf_take_option(struct job *job, int option)
{
	static const char what[] = "MFP";

	switch (option) {
	case 'c':
		tool_set_directory(optarg);
		break;
	case 'd':
		job->view.defaults = true;
		break;
	case 'e':
		job->edit = EDIT_SET;
		break;
	case 'X':
		job->edit = EDIT_REMOVE;
		break;
	case '#':
		job->edit = EDIT_COMMENT;
		break;
	case 'f':
		job->view.fold = true;
		break;
	case 'h':
		job->view.names = false;
		break;
	case 'H':
		job->view.values = false;
		break;
	case 'j':
		job->view.json = true;
		break;
	case 'a':
	case 'A':
	case 'b':
	case 'l':
	case 'm':
	case 't':
	case 'T':
		job->about = option;
		job->about_mode = optarg;
		break;
	case 'n':
		job->view.only_set = true;
		break;
	case 'x':
		job->view.expand = true;
		break;
	case 'M':
	case 'F':
	case 'P':
		job->services = true;
		job->what = (enum conf_services_what)(strchr(what, option) - what);
		break;
	case 'o':
		return conf_add_override(job, optarg);
	case '?':
		return tool_usage("conf", "wrong option");
	default:
		break; /* accepted for postconf's sake */
	}
	return TOOL_DONE;
}

static bool any_assignment(char *const *words)
{
	for (; *words != NULL; words++)
		if (strchr(*words, '=') != NULL)
			return true;
	return false;
}

static int show_or_explain(struct job *job, char *const *words)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	int status = TOOL_DONE;

	/* Defaults need no main.cf; one with errors is shown: that is when one wants to see it. */
	if (job->view.defaults && words[0] == NULL) {
		conf_load_text(VIEW_NONE, tool_directory(), job->overrides, job->override_count,
			       &report);
	} else if (conf_load(tool_directory(), job->overrides, job->override_count, &report) < 0) {
		fputs(str_cstr(&report), stderr);
		if (conf_directory()[0] == '\0')
			return TOOL_NO; /* there is none to read */
	}
	if (words[0] != NULL && strcmp(words[0], "explain") == 0) {
		if (words[1] == NULL)
			return tool_usage("conf", "explain which parameter?");
		for (words++; *words != NULL; words++)
			if (parameter_explain(*words) != TOOL_DONE)
				status = TOOL_NO;
		return status;
	}
	int shown = conf_show_parameters(words, &job->view);

	str_clear(&report);
	if (words[0] == NULL && !job->view.defaults)
		conf_unused(&report);
	fputs(str_cstr(&report), stderr);
	return status == TOOL_DONE ? shown : status;
}

static int conf_run(struct job *job, char *const *words)
{
	/* As postconf: an argument with "=" means -e. */
	if (job->edit == EDIT_NONE && any_assignment(words))
		job->edit = EDIT_SET;
	if (job->edit != EDIT_NONE && words[0] == NULL)
		return tool_usage("conf", "which parameter?");
	if (job->services && job->edit != EDIT_NONE)
		return conf_services_edit(job->what, words, job->edit == EDIT_REMOVE,
					  job->edit == EDIT_COMMENT);
	if (job->services)
		return conf_services_show(job->what, words, &job->view);
	if (job->edit != EDIT_NONE)
		return edit_main(words, job->edit);
	return show_or_explain(job, words);
}

int verb_conf(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 1 },
		{ 0 },
	};
	struct job job = { .view = { .names = true, .values = true } };
	int option, status = TOOL_DONE;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	while (status == TOOL_DONE &&
	       (option = getopt_long(argc, argv, "+aAbc:C:deE#FfhHjlMmno:PptT:vxX", long_options,
				     NULL)) >= 0) {
		if (option == 1) {
			fputs(help, stdout);
			return TOOL_DONE;
		}
		status = conf_take_option(&job, option);
	}
	if (status == TOOL_DONE && job.about != 0)
		status = conf_about(job.about, job.about_mode);
	else if (status == TOOL_DONE)
		status = conf_run(&job, argv + optind);
	for (size_t i = 0; i < job.override_count; i++) {
		free((char *)(uintptr_t)job.overrides[i].name);
		free((char *)(uintptr_t)job.overrides[i].value);
	}
	free(job.overrides);
	return status;
}
