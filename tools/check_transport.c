/*
 * posta check: transports that are named somewhere and have no service in master.cf. Mail for them
 * would wait until it is returned.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "table/table.h"
#include "tools/check.h"

#define TEXT_MAX     ((size_t)64 << 20)
#define PROBLEMS_MAX 20

struct transport_check {
	const struct services *services;
	const struct conf_setting *setting;
	const char *table;
	int problems;
};

/* qmgr does these itself. */
static bool is_internal(struct view name)
{
	return view_is(name, "error") || view_is(name, "retry") || view_is(name, "discard");
}

static bool has_service(const struct services *services, struct view name)
{
	if (is_internal(name))
		return true;
	for (size_t i = 0; i < services->count; i++)
		if (services->items[i].type == SERVICE_UNIX &&
		    view_is(name, services->items[i].name))
			return true;
	return false;
}

/* "smtp:[relay]:587", "smtp:", ":[relay]"; in a table also others, which are not looked at. */
static struct view transport_of(struct view value)
{
	size_t colon = view_find_byte(value, ':');
	struct view name = view_first(value, colon);

	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.data[i]) && strchr("-_.", name.data[i]) == NULL)
			return VIEW_NONE;
	return colon == VIEW_NOT_FOUND ? VIEW_NONE : name;
}

/* ---- tables ---- */

static int transport_check_row(void *argument, struct view key, struct view value)
{
	struct transport_check *c = argument;
	struct view name = transport_of(value);

	if (name.len == 0 || has_service(c->services, name) || ++c->problems > PROBLEMS_MAX)
		return 0;
	check_error(
		"main.cf, line %d: %s (%s): %.*s -> %.*s: master.cf has no service %.*s of type "
		"unix",
		c->setting->line, c->setting->name, c->table, VIEW_ARG(key), VIEW_ARG(value),
		VIEW_ARG(name));
	return 0;
}

/* Patterns cannot be listed, but read: a pattern, white space, what it leads to. */
static void transport_check_patterns(struct transport_check *c, const char *path)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct view rest, line;

	if (io_read_file(path, TEXT_MAX, &text, &err) < 0)
		return;
	rest = str_view(&text);
	while (view_next(&rest, '\n', &line)) {
		struct view bare = view_trim(line);
		size_t blank = view_find_last_byte(bare, ' ');
		size_t tab = view_find_last_byte(bare, '\t');

		if (blank == VIEW_NOT_FOUND || (tab != VIEW_NOT_FOUND && tab > blank))
			blank = tab;
		if (bare.len > 0 && bare.data[0] != '#' && blank != VIEW_NOT_FOUND)
			(void)transport_check_row(c, view_trim(view_first(bare, blank)),
						  view_from(bare, blank + 1));
	}
}

static void transport_check_table(struct transport_check *c, struct view element)
{
	static const char *const patterns[] = { "regexp:", "pcre:", "cidr:" };
	_cleanup_free_ char *table = mem_strndup(element.data, element.len);
	struct error err = ERROR_NONE;

	c->table = table;
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
		if (view_starts(element, view_of(patterns[i]))) {
			transport_check_patterns(c, table + strlen(patterns[i]));
			return;
		}
	/* What cannot be opened is told elsewhere. */
	(void)table_dump(table, transport_check_row, c, &err);
}

/* ---- parameters ---- */

/* One that the site has set is an error; a default that it may never come to, a warning. */
static void transport_check_parameter(const struct services *services, const char *parameter,
				      bool is_needed)
{
	const struct conf_setting *setting = conf_setting(parameter);
	struct view value = view_of(conf_get(parameter));
	struct view name = view_first(value, view_find_byte(value, ':'));

	if (name.len == 0 || has_service(services, name))
		return;
	if (setting != NULL)
		check_error("main.cf, line %d: %s: master.cf has no service %.*s of type unix",
			    setting->line, parameter, VIEW_ARG(name));
	else if (is_needed)
		check_warning("%s: master.cf has no service %.*s of type unix", parameter,
			      VIEW_ARG(name));
}

void check_transports(const struct services *services)
{
	static const char *const tables[] = { "transport_maps",
					      "sender_dependent_default_transport_maps" };
	struct transport_check c = { .services = services };

	transport_check_parameter(services, "default_transport", true);
	transport_check_parameter(services, "local_transport", param.mydestination[0] != '\0');
	transport_check_parameter(services, "virtual_transport",
				  param.virtual_mailbox_domains[0] != '\0');
	transport_check_parameter(services, "relay_transport", param.relay_domains[0] != '\0');
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		struct view rest = view_of(conf_get(tables[i])), element;

		c.setting = conf_setting(tables[i]);
		while (c.setting != NULL && conf_next_element(&rest, &element))
			transport_check_table(&c, element);
	}
	if (c.problems > PROBLEMS_MAX)
		check_error("transports without a service: %d more", c.problems - PROBLEMS_MAX);
}
