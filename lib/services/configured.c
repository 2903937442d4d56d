/* What main.cf and master.cf name. Knows nothing of what is there. */
#include "services/configured.h"

#include <errno.h>

#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"

static struct {
	struct str values; /* of main.cf and of master.cf's -o, a line feed after each */
	struct map *names; /* of parameters that are not empty */
} configured;

static void configured_add(const char *name, const char *value)
{
	struct error err = ERROR_NONE;
	size_t before = configured.values.len;

	/* What cannot be expanded stops those who read it. */
	if (value == NULL || conf_expand(view_of(value), &configured.values, &err) < 0) {
		str_truncate(&configured.values, before);
		return;
	}
	if (configured.values.len > before)
		map_put(configured.names, view_of(name), &configured);
	str_append_byte(&configured.values, '\n');
}

int configured_load(struct error *err)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct services services = { 0 };
	size_t count;
	const struct conf_setting *settings = conf_settings(&count);

	configured_forget();
	configured.names = map_new();
	for (size_t i = 0; i < count; i++)
		configured_add(settings[i].name, settings[i].value);
	if (services_load(conf_directory(), &services, &report) < 0)
		return error_set(err, -EINVAL, "%s", str_cstr(&report));
	for (size_t i = 0; i < services.count; i++)
		for (size_t k = 0; k < services.items[i].override_count; k++)
			configured_add(services.items[i].overrides[k].name,
				       services.items[i].overrides[k].value);
	services_free(&services);
	return 0;
}

void configured_forget(void)
{
	str_free(&configured.values);
	map_free(configured.names);
	configured.names = NULL;
}

bool configured_names(struct view server)
{
	return conf_value_names(str_view(&configured.values), server);
}

bool configured_sets(const char *parameter)
{
	return configured.names != NULL && map_get(configured.names, view_of(parameter)) != NULL;
}

/* With and without "unix:". */
static bool names_path(struct view path)
{
	_cleanup_(str_free) struct str whole = STR_EMPTY;

	str_append(&whole, VIEW("unix:"));
	str_append(&whole, path);
	return configured_names(str_view(&whole)) || configured_names(path);
}

/* "/run/x/socket", or "/run/x/": what is in there. Relative ones are below the queue directory. */
static bool is_foreign(struct view path, struct view queue)
{
	struct view rest = view_of(param.foreign_sockets), element;

	while (conf_next_element(&rest, &element)) {
		struct view left = path;

		if (element.len > 0 && element.data[0] != '/') {
			if (!view_starts(path, queue) || path.data[queue.len] != '/')
				continue;
			left = view_from(path, queue.len + 1);
		}
		if (view_eq(left, element))
			return true;
		if (view_ends(element, VIEW("/")) && view_starts(left, element) &&
		    view_find_byte(view_from(left, element.len), '/') == VIEW_NOT_FOUND)
			return true;
	}
	return false;
}

bool configured_names_socket(struct view path)
{
	struct view queue = view_of(conf_foreign_directory());

	if (path.len == 0 || path.data[0] != '/' || view_has_control(path) ||
	    view_find(path, VIEW("/../")) != VIEW_NOT_FOUND)
		return false;
	if (names_path(path) || is_foreign(path, queue))
		return true;
	return path.len > queue.len + 1 && view_starts(path, queue) &&
	       path.data[queue.len] == '/' &&
	       (names_path(view_from(path, queue.len + 1)) ||
		names_path(view_from(path, queue.len)));
}
