/* Reading master.cf. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/lines.h"
#include "conf/state.h"

enum { SERVICES_MAX = 1000, ARGUMENTS_MAX = 200, COLUMNS = 8 };

static const char *const type_names[] = { "inet", "unix", "pass", "fifo", "unix-dgram" };

const char *service_type_name(enum service_type type)
{
	return type_names[type];
}

/* Where an error is, and where it goes. */
struct place {
	const char *path;
	int line;
	struct str *report;
};

static int service_complain(const struct place *place, const char *what, struct view text)
{
	str_printf(place->report, "%s, line %d: %s", place->path, place->line, what);
	if (text.len > 0) {
		str_append(place->report, VIEW(" \""));
		str_append_printable(place->report, view_first(text, 60));
		str_append_byte(place->report, '"');
	}
	str_append_byte(place->report, '\n');
	return -EINVAL;
}

static int service_parse_flag(struct view text, const char *column, bool otherwise, bool *value,
			      const struct place *place)
{
	char what[100];

	*value = view_is(text, "-") ? otherwise : view_is(text, "y");
	if (view_is(text, "-") || view_is(text, "y") || view_is(text, "n"))
		return 0;
	snprintf(what, sizeof(what), "column \"%s\": expected y, n or -, not", column);
	return service_complain(place, what, text);
}

static int parse_number(struct view text, const char *column, int otherwise, int *value,
			const struct place *place)
{
	char what[100];
	uint32_t number = 0;

	*value = otherwise;
	if (view_is(text, "-"))
		return 0;
	/* "1?" wakes a service only if it is in use. */
	if (strcmp(column, "wakeup") == 0 && view_ends(text, VIEW("?")))
		text.len--;
	if (view_parse_u32(text, INT32_MAX, &number) == 0) {
		*value = (int)number;
		return 0;
	}
	snprintf(what, sizeof(what), "column \"%s\": expected a number or -, not", column);
	return service_complain(place, what, text);
}

static int parse_type(struct view text, enum service_type *type, const struct place *place)
{
	for (size_t i = 0; i < ARRAY_SIZE(type_names); i++) {
		if (view_is(text, type_names[i])) {
			*type = (enum service_type)i;
			return 0;
		}
	}
	return service_complain(
		place, "column \"type\": expected inet, unix, pass, fifo or unix-dgram, not", text);
}

static int parse_columns(const struct view *column, struct service *service,
			 const struct place *place)
{
	bool unprivileged = true;
	int r = parse_type(column[1], &service->type, place);

	if (column[0].data[0] == '/' || view_find(column[0], VIEW("..")) != VIEW_NOT_FOUND)
		r = service_complain(place, "not a service's name:", column[0]);
	if (service_parse_flag(column[2], "private", true, &service->private_socket, place) < 0)
		r = -EINVAL;
	if (service_parse_flag(column[3], "unpriv", true, &unprivileged, place) < 0)
		r = -EINVAL;
	if (service_parse_flag(column[4], "chroot", false, &service->chroot, place) < 0)
		r = -EINVAL;
	if (parse_number(column[5], "wakeup", 0, &service->wakeup, place) < 0)
		r = -EINVAL;
	if (parse_number(column[6], "maxproc", -1, &service->processes, place) < 0)
		r = -EINVAL;
	if (view_find_byte(column[7], '/') != VIEW_NOT_FOUND)
		r = service_complain(place,
				     "column \"command\": expected a program's name without /, not",
				     column[7]);
	service->privileged = !unprivileged;
	if (service->type == SERVICE_INET)
		service->private_socket = false;
	service->name = mem_strndup(column[0].data, column[0].len);
	service->program = mem_strndup(column[7].data, column[7].len);
	service->line = place->line;
	return r;
}

/* ---- arguments ---- */

/* "name=value", or "name = value" out of braces. */
static int service_add_override(struct service *service, struct view text,
				const struct place *place)
{
	size_t equals = view_find_byte(text, '=');
	struct view name = view_trim(view_first(text, equals));
	struct view value =
		view_trim(view_from(text, equals == VIEW_NOT_FOUND ? text.len : equals + 1));

	if (equals == VIEW_NOT_FOUND || name.len == 0)
		return service_complain(place, "expected name=value after -o, not", text);
	service->overrides = mem_resize(service->overrides, service->override_count + 1,
					sizeof(*service->overrides));
	service->overrides[service->override_count++] = (struct conf_override){
		.name = mem_strndup(name.data, name.len),
		.value = mem_strndup(value.len ? value.data : "", value.len),
	};
	return 0;
}

/* The next argument: a word, or { text with spaces }. False at the end. */
static bool next_argument(struct view *rest, struct view *argument, bool *unbalanced)
{
	size_t start = 0, end, depth = 0;

	while (start < rest->len && ascii_is_space(rest->data[start]))
		start++;
	*rest = view_from(*rest, start);
	if (rest->len == 0)
		return false;
	if (rest->data[0] != '{') {
		for (end = 0; end < rest->len && !ascii_is_space(rest->data[end]);)
			end++;
		*argument = view_first(*rest, end);
		*rest = view_from(*rest, end);
		return true;
	}
	for (end = 0; end < rest->len; end++) {
		if (rest->data[end] == '{')
			depth++;
		else if (rest->data[end] == '}' && --depth == 0)
			break;
	}
	*unbalanced = end == rest->len;
	*argument = view_trim(view_first(view_from(*rest, 1), *unbalanced ? end : end - 1));
	*rest = view_from(*rest, end + 1);
	return true;
}

static void service_add_argument(struct service *service, size_t *count, struct view argument)
{
	service->arguments = mem_resize(service->arguments, *count + 2, sizeof(char *));
	service->arguments[(*count)++] =
		mem_strndup(argument.len ? argument.data : "", argument.len);
	service->arguments[*count] = NULL;
}

static int parse_arguments(struct view rest, struct service *service, const struct place *place)
{
	struct view argument;
	bool unbalanced = false, options = true;
	size_t count = 0;
	int r = 0;

	service->arguments = mem_new_array(char *, 1);
	while (next_argument(&rest, &argument, &unbalanced)) {
		/* Options end at the first argument that is none: "argv=..." has its own. */
		if (argument.len == 0 || argument.data[0] != '-')
			options = false;
		if (unbalanced)
			return service_complain(place, "\"{\" without \"}\":", argument);
		if (count + service->override_count >= ARGUMENTS_MAX)
			return service_complain(place, "too many arguments", VIEW_NONE);
		if (!options || !view_starts(argument, VIEW("-o"))) {
			service_add_argument(service, &count, argument);
			continue;
		}
		argument = view_from(argument, 2);
		if (argument.len == 0 && !next_argument(&rest, &argument, &unbalanced))
			return service_complain(place, "nothing after -o", VIEW_NONE);
		if (service_add_override(service, argument, place) < 0)
			r = -EINVAL;
	}
	return r;
}

/* ---- lines ---- */

static void free_service(struct service *service)
{
	free(service->name);
	free(service->program);
	for (char **argument = service->arguments; argument && *argument; argument++)
		free(*argument);
	free(service->arguments);
	for (size_t i = 0; i < service->override_count; i++) {
		free((char *)service->overrides[i].name);
		free((char *)service->overrides[i].value);
	}
	free(service->overrides);
}

void services_free(struct services *services)
{
	for (size_t i = 0; i < services->count; i++)
		free_service(&services->items[i]);
	free(services->items);
	str_free(&services->warnings);
	*services = (struct services){ 0 };
}

/* The last one counts, as in Postfix. */
static void forget_earlier(struct services *services, const struct service *service)
{
	for (size_t i = 0; i < services->count; i++) {
		struct service *other = &services->items[i];

		if (other->type != service->type || strcmp(other->name, service->name) != 0)
			continue;
		str_printf(&services->warnings,
			   "master.cf, line %d: service %s stands again in line %d, which is in "
			   "force\n",
			   other->line, other->name, service->line);
		free_service(other);
		memmove(other, other + 1, (services->count - i - 1) * sizeof(*other));
		services->count--;
		return;
	}
}

static int service_parse_line(struct view line, struct service *service, const struct place *place)
{
	struct view column[COLUMNS], rest = line;
	size_t count = 0;
	int r;

	if (ascii_is_space(line.data[0]))
		return service_complain(place, "begins with white space but continues nothing",
					VIEW_NONE);
	if (view_find_byte(line, '\0') != VIEW_NOT_FOUND)
		return service_complain(place, "a NUL byte in the text", VIEW_NONE);
	while (count < COLUMNS && view_next_word(&rest, " \t\r\n", &column[count]))
		count++;
	if (count < COLUMNS)
		return service_complain(
			place,
			"expected 8 columns (service type private unpriv chroot wakeup "
			"maxproc command), not",
			line);
	r = parse_columns(column, service, place);
	return parse_arguments(rest, service, place) < 0 ? -EINVAL : r;
}

int services_parse(struct view text, const char *path, struct services *services,
		   struct str *report)
{
	struct lines lines = lines_of(text);
	struct view line;
	size_t before = report->len;

	*services = (struct services){ 0 };
	while (lines_next(&lines, &line)) {
		struct place place = { path, lines.number, report };
		struct service service = { 0 };

		if (services->count == SERVICES_MAX) {
			service_complain(&place, "too many services", VIEW_NONE);
			break;
		}
		if (service_parse_line(line, &service, &place) < 0) {
			free_service(&service);
			continue;
		}
		forget_earlier(services, &service);
		services->items =
			mem_resize(services->items, services->count + 1, sizeof(*services->items));
		services->items[services->count++] = service;
	}
	lines_free(&lines);
	return report->len > before ? -EINVAL : 0;
}

int services_load(const char *directory, struct services *services, struct str *report)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	struct error err = ERROR_NONE;

	*services = (struct services){ 0 };
	str_printf(&path, "%s/master.cf", directory);
	if (io_read_file(str_cstr(&path), CONF_FILE_MAX, &text, &err) < 0) {
		str_printf(report, "%s\n", err.text);
		return -EINVAL;
	}
	return services_parse(str_view(&text), "master.cf", services, report);
}
