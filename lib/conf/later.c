/*
 * What the configuration sets that Posta knows by name and does not do yet. Says so to whoever
 * asks, and keeps a program from starting whose mail would go past a filter.
 */
#include "base/mem.h"
#include "conf/state.h"

static const struct param_info *later_find(const char *name)
{
	const struct param_info *info = param_find(view_of(name));

	if (info == NULL)
		info = conf_transport_parameter(view_of(name));
	return info != NULL && param_is_later(info) ? info : NULL;
}

/* Set to what nothing would do otherwise. */
static bool value_is_harmless(const struct param_info *info, const char *value)
{
	_cleanup_(str_free) struct str otherwise = STR_EMPTY;
	struct view rest = view_trim(view_of(value)), word;

	if (conf_expand(view_of(info->value), &otherwise, NULL) == 0 &&
	    view_eq(view_trim(str_view(&otherwise)), rest))
		return true;
	while (conf_next_element(&rest, &word))
		if (info->words == NULL || !param_has_word(info->words, word))
			return false;
	return true;
}

/* The report that a setting belongs into, or NULL. */
static struct str *report_of(const struct param_info *info, const char *value, struct str *errors,
			     struct str *warnings, struct str *trifles)
{
	if (info->type == PARAM_TYPE_NEEDLESS || value_is_harmless(info, value))
		return trifles;
	return info->type == PARAM_TYPE_GUARD ? errors : warnings;
}

static void append_verdict(const struct param_info *info, const char *name, struct str *report)
{
	str_printf(report, "%s is known but not yet in force", name);
	if (info->type == PARAM_TYPE_GUARD)
		str_printf(report, ": what it is for does not start (%s)", info->readers);
	str_append_byte(report, '\n');
}

void conf_not_in_force(struct str *errors, struct str *warnings, struct str *trifles)
{
	for (size_t i = 0; i < conf_state.setting_count; i++) {
		const struct conf_setting *setting = &conf_state.settings[i];
		const struct param_info *info = later_find(setting->name);
		const char *value = conf_get(setting->name);
		struct str *report;

		if (info == NULL || conf_setting(setting->name) != setting || value == NULL)
			continue;
		report = report_of(info, value, errors, warnings, trifles);
		if (report == NULL)
			continue;
		conf_describe(setting, report);
		append_verdict(info, setting->name, report);
	}
}

static void override_not_in_force(const struct service *service,
				  const struct conf_override *override, struct str *errors,
				  struct str *warnings, struct str *trifles)
{
	const struct param_info *info = later_find(override->name);
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct str *report;

	if (info == NULL || conf_expand(view_of(override->value), &value, NULL) < 0 ||
	    (info->type == PARAM_TYPE_GUARD && !param_is_read_by(info, service->program)))
		return;
	report = report_of(info, str_cstr(&value), errors, warnings, trifles);
	if (report == NULL)
		return;
	str_printf(report, "master.cf, line %d: service %s: -o %s=%s: ", service->line,
		   service->name, override->name, override->value);
	append_verdict(info, override->name, report);
}

/* What is set for reporter, where nobody runs it. Beside a master.cf of Postfix it is run. */
static void reporter_not_in_force(const struct services *services, struct str *warnings)
{
	const struct conf_setting *reports = conf_setting("dmarc_reports");
	const struct conf_setting *lists = conf_setting("dnsbl_watch");

	if (services->count == 0 || services_are_of_postfix(services))
		return;
	for (size_t i = 0; i < services->count; i++)
		if (strcmp(services->items[i].program, "reporter") == 0)
			return;
	if (param.dmarc_reports && reports != NULL) {
		conf_describe(reports, warnings);
		str_append_cstr(warnings, "dmarc_reports: master.cf has no service reporter: no "
					  "report is sent\n");
	}
	if (param.dnsbl_watch[0] != '\0' && lists != NULL) {
		conf_describe(lists, warnings);
		str_append_cstr(warnings, "dnsbl_watch: master.cf has no service reporter: no list "
					  "is asked\n");
	}
}

void services_not_in_force(const struct services *services, struct str *errors,
			   struct str *warnings, struct str *trifles)
{
	if (warnings != NULL)
		reporter_not_in_force(services, warnings);
	for (size_t i = 0; i < services->count; i++) {
		const struct service *service = &services->items[i];

		for (size_t o = 0; o < service->override_count; o++)
			override_not_in_force(service, &service->overrides[o], errors, warnings,
					      trifles);
	}
}

void conf_check_guards(const char *program, struct str *report)
{
	for (size_t i = 0; i < conf_state.setting_count; i++) {
		const struct conf_setting *setting = &conf_state.settings[i];
		const struct param_info *info = param_find(view_of(setting->name));
		const char *value = conf_get(setting->name);

		if (info == NULL || info->type != PARAM_TYPE_GUARD || value == NULL ||
		    conf_setting(setting->name) != setting || !param_is_read_by(info, program) ||
		    value_is_harmless(info, value))
			continue;
		conf_describe(setting, report);
		str_printf(report, "%s is not yet in force, and mail must not go without it\n",
			   setting->name);
	}
}
