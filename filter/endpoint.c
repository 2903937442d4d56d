/* Which servers may be asked: those that the configuration names. */
#include "endpoint.h"

#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"

/* All that may name a server: values of main.cf and of master.cf's -o, a line feed after each. */
static struct str configured;
/* smtpd_milter_maps is set: tables, which are not read here, name others. */
static bool in_tables;

static void endpoints_add(const char *name, const char *value)
{
	struct error err = ERROR_NONE;

	if (strcmp(name, "smtpd_milter_maps") == 0 && value != NULL && *value != '\0')
		in_tables = true;

	/* What cannot be expanded stops those who read it. */
	if (value != NULL && conf_expand(view_of(value), &configured, &err) == 0)
		str_append_byte(&configured, '\n');
}

int endpoints_load(struct error *err)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct services services = { 0 };
	size_t count;
	const struct conf_setting *settings = conf_settings(&count);

	endpoints_forget();
	for (size_t i = 0; i < count; i++)
		endpoints_add(settings[i].name, settings[i].value);
	if (services_load(conf_directory(), &services, &report) < 0)
		return error_set(err, -EINVAL, "%s", str_cstr(&report));
	for (size_t i = 0; i < services.count; i++)
		for (size_t k = 0; k < services.items[i].override_count; k++)
			endpoints_add(services.items[i].overrides[k].name,
				      services.items[i].overrides[k].value);
	services_free(&services);
	return 0;
}

void endpoints_forget(void)
{
	str_free(&configured);
	in_tables = false;
}

bool endpoint_is_configured(struct view endpoint)
{
	return in_tables || conf_value_names(str_view(&configured), endpoint);
}
