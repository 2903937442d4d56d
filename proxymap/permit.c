/* What proxy_read_maps permits. Known before any question comes. */
#include "permit.h"

#include <errno.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"

/* Values with tables in them, a line feed after each. */
static struct str permitted;

/* "$name" or "${name}" stands in the value as it was written. */
static bool permit_names_parameter(struct view value, const char *name)
{
	struct view rest = value;
	size_t at;

	while ((at = view_find(rest, view_of(name))) != VIEW_NOT_FOUND) {
		struct view after = view_from(rest, at + strlen(name));
		bool begins = at > 0 && (rest.data[at - 1] == '$' || rest.data[at - 1] == '{');

		if (begins && (after.len == 0 || strchr(", \t\r\n}", after.data[0]) != NULL))
			return true;
		rest = after;
	}
	return false;
}

static int permit_add(struct view value, struct error *err)
{
	int r = conf_expand(value, &permitted, err);

	str_append_byte(&permitted, '\n');
	return r;
}

int permit_load(struct error *err)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	const struct conf_setting *setting = conf_setting("proxy_read_maps");
	struct view list =
		view_of(setting != NULL ? setting->value : conf_default("proxy_read_maps"));
	struct services services = { 0 };
	int r;

	permit_forget();
	r = permit_add(list, err);
	if (r < 0)
		return r;
	if (services_load(conf_directory(), &services, &report) < 0)
		return error_set(err, -EINVAL, "%s", str_cstr(&report));
	for (size_t i = 0; i < services.count && r == 0; i++)
		for (size_t k = 0; k < services.items[i].override_count && r == 0; k++)
			if (permit_names_parameter(list, services.items[i].overrides[k].name))
				r = permit_add(view_of(services.items[i].overrides[k].value), err);
	services_free(&services);
	return r;
}

void permit_forget(void)
{
	str_free(&permitted);
}

bool permit_has(struct view table)
{
	return conf_value_names(str_view(&permitted), table);
}
