/* What main.cf sets and nothing reads, and what it sets too early. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "conf/expand.h"
#include "conf/state.h"

/* After a transport's name: parameters that every service of master.cf may have of its own. */
static const struct {
	const char *suffix, *value;
} transport_parameters[] = {
#define TRANSPORT(name)                                                                            \
	{                                                                                          \
		"_" name, "$default_" name                                                         \
	}
#define TRANSPORT_BARE(name)                                                                       \
	{                                                                                          \
		"_" name, "$" name                                                                 \
	}
	TRANSPORT("destination_concurrency_limit"),
	TRANSPORT("destination_recipient_limit"),
	TRANSPORT("destination_rate_delay"),
	TRANSPORT("transport_rate_delay"),
	TRANSPORT_BARE("initial_destination_concurrency"),
	TRANSPORT("destination_concurrency_positive_feedback"),
	TRANSPORT("destination_concurrency_negative_feedback"),
	TRANSPORT("destination_concurrency_failed_cohort_limit"),
	TRANSPORT("delivery_slot_cost"),
	TRANSPORT("delivery_slot_loan"),
	TRANSPORT("delivery_slot_discount"),
	TRANSPORT("minimum_delivery_slots"),
	TRANSPORT("recipient_limit"),
	TRANSPORT("extra_recipient_limit"),
	TRANSPORT("recipient_refill_limit"),
	TRANSPORT("recipient_refill_delay"),
	TRANSPORT("time_limit"),
#undef TRANSPORT
#undef TRANSPORT_BARE
};

/* Types whose old form "type:prefix" reads prefix_name parameters from main.cf. */
static const char *const prefix_types[] = { "ldap:", "mysql:", "pgsql:", "sqlite:", "memcache:" };

static char in_use; /* what a used name's entry in the map points to */

static void note_name(void *used, struct view name)
{
	map_put(used, name, &in_use);
}

/* Names that a value refers to: $name, and the prefixes of tables in the old form. */
static void note_value(struct map *used, const char *value)
{
	struct view rest = view_of(value), word;

	expand_names(rest, note_name, used);
	while (view_next_word(&rest, ", \t\r\n", &word)) {
		if (view_starts(word, VIEW("proxy:")))
			word = view_from(word, strlen("proxy:"));
		for (size_t i = 0; i < ARRAY_SIZE(prefix_types); i++)
			if (view_starts(word, view_of(prefix_types[i])))
				map_put(used, word, &in_use);
	}
}

/* Restriction classes are names that smtpd_restriction_classes lists. */
static void note_classes(struct map *used, const char *value)
{
	struct view rest = view_of(value), word;

	while (conf_next_element(&rest, &word))
		note_name(used, word);
}

const char *conf_transport_suffix(size_t n)
{
	return n < ARRAY_SIZE(transport_parameters) ? transport_parameters[n].suffix : NULL;
}

const char *conf_transport_default(struct view name)
{
	for (size_t i = 0; i < ARRAY_SIZE(transport_parameters); i++)
		if (view_ends(name, view_of(transport_parameters[i].suffix)) &&
		    name.len > strlen(transport_parameters[i].suffix) &&
		    !view_starts(name, VIEW("default_")))
			return transport_parameters[i].value;
	return NULL;
}

const struct param_info *conf_transport_parameter(struct view name)
{
	const char *value = conf_transport_default(name);

	return value != NULL ? param_find(view_of(value + 1)) : NULL;
}

static bool belongs_to_service(struct view name, const struct services *services)
{
	for (size_t i = 0; i < ARRAY_SIZE(transport_parameters); i++) {
		struct view suffix = view_of(transport_parameters[i].suffix), transport;

		if (!view_ends(name, suffix))
			continue;
		transport = view_first(name, name.len - suffix.len);
		for (size_t s = 0; s < services->count; s++)
			if (view_is(transport, services->items[s].name))
				return true;
	}
	return false;
}

static bool belongs_to_table(struct view name, const struct map *used)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;

	for (size_t len = 1; len < name.len; len++) {
		if (name.data[len] != '_')
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(prefix_types); i++) {
			str_clear(&key);
			str_printf(&key, "%s%.*s", prefix_types[i],
				   VIEW_ARG(view_first(name, len)));
			if (map_get(used, str_view(&key)) != NULL)
				return true;
		}
	}
	return false;
}

static void note_services(struct map *used, const struct services *services)
{
	for (size_t i = 0; i < services->count; i++) {
		const struct service *service = &services->items[i];

		for (size_t o = 0; o < service->override_count; o++) {
			note_value(used, service->overrides[o].value);
			if (strcmp(service->overrides[o].name, "smtpd_restriction_classes") == 0)
				note_classes(used, service->overrides[o].value);
		}
	}
}

static void report_unused(const struct conf_setting *setting, struct str *report)
{
	const char *near = param_nearest(view_of(setting->name));

	conf_describe(setting, report);
	str_printf(report, "unused parameter: %s", setting->name);
	if (near != NULL)
		str_printf(report, " (did you mean %s?)", near);
	str_append_byte(report, '\n');
}

/* What a setting refers to and nobody sets, not even master.cf. */
struct undefined {
	const struct conf_setting *setting;
	const struct services *services;
	struct str *report;
};

static void report_undefined(void *argument, struct view name)
{
	struct undefined *u = argument;

	if (conf_lookup_raw(NULL, name) != NULL)
		return;
	for (size_t i = 0; i < u->services->count; i++) {
		const struct service *service = &u->services->items[i];

		for (size_t o = 0; o < service->override_count; o++)
			if (view_is(name, service->overrides[o].name))
				return;
	}
	conf_describe(u->setting, u->report);
	str_printf(u->report, "%s: undefined parameter: $%.*s\n", u->setting->name, VIEW_ARG(name));
}

static void check_setting(const struct conf_setting *setting, const struct map *used,
			  const struct services *services, struct str *report)
{
	struct view name = view_of(setting->name);
	const struct param_info *info = param_find(name);
	struct undefined undefined = { setting, services, report };

	if (conf_setting(setting->name) != setting) {
		conf_describe(setting, report);
		str_printf(report, "%s is set again in ", setting->name);
		str_printf(report, "line %d, which is in force\n",
			   conf_setting(setting->name)->line);
		return;
	}
	if (info == NULL && map_get(used, name) == NULL && !belongs_to_service(name, services) &&
	    !belongs_to_table(name, used))
		report_unused(setting, report);
	if (info == NULL || (info->type != PARAM_TYPE_RAW && !param_is_later(info)))
		expand_names(view_of(setting->value), report_undefined, &undefined);
}

void conf_unused(struct str *report)
{
	struct services services = { 0 };
	_cleanup_(str_free) struct str errors = STR_EMPTY;
	_cleanup_(map_freep) struct map *used = map_new();

	if (conf_state.by_name == NULL)
		return;
	services_load(conf_directory(), &services, &errors);
	/* Old names count as values of the new ones' defaults. */
	for (size_t i = 0; i < param_table_count; i++)
		if (!param_is_later(&param_table[i]))
			expand_names(view_of(param_table[i].value), note_name, used);
	note_services(used, &services);
	for (size_t i = 0; i < conf_state.setting_count; i++) {
		const struct conf_setting *setting = &conf_state.settings[i];

		note_value(used, setting->value);
		if (strcmp(setting->name, "smtpd_restriction_classes") == 0)
			note_classes(used, setting->value);
	}
	for (size_t i = 0; i < conf_state.setting_count; i++)
		if (conf_state.settings[i].line > 0)
			check_setting(&conf_state.settings[i], used, &services, report);
	services_free(&services);
}
