/* What the configuration permits. Known before any question comes. */
#include "permit.h"

#include <errno.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"

/* Values with tables in them, a line feed after each. */
static struct str permitted;
/* All values that are set, in which "proxy:" is made unreadable: those need proxy_read_maps. */
static struct str direct;

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

/* What cannot be expanded stops those who read it. */
static void permit_add_direct(const char *value)
{
	struct error ignored = ERROR_NONE;
	size_t begin = direct.len, at;

	if (value == NULL || conf_expand(view_of(value), &direct, &ignored) < 0) {
		str_truncate(&direct, begin);
		return;
	}
	str_append_byte(&direct, '\n');
	while ((at = view_find(view_from(str_view(&direct), begin), VIEW("proxy:"))) !=
	       VIEW_NOT_FOUND) {
		begin += at;
		memset(direct.data + begin, '_', strlen("proxy:"));
	}
}

static void permit_add_settings(void)
{
	size_t count;
	const struct conf_setting *settings = conf_settings(&count);

	for (size_t i = 0; i < count; i++)
		permit_add_direct(settings[i].value);
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
	permit_add_settings();
	for (size_t i = 0; i < services.count && r == 0; i++)
		for (size_t k = 0; k < services.items[i].override_count && r == 0; k++) {
			const struct conf_override *override = &services.items[i].overrides[k];

			permit_add_direct(override->value);
			if (permit_names_parameter(list, override->name))
				r = permit_add(view_of(override->value), err);
		}
	services_free(&services);
	return r;
}

void permit_forget(void)
{
	str_free(&permitted);
	str_free(&direct);
}

bool permit_has(struct view table)
{
	return conf_value_names(str_view(&permitted), table) ||
	       conf_value_names(str_view(&direct), table);
}

void permit_each(void (*take)(struct view name))
{
	const struct view texts[] = { str_view(&permitted), str_view(&direct) };
	struct view rest, word;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		rest = texts[i];
		while (view_next_word(&rest, ", \t\r\n{}=!", &word)) {
			while (view_starts(word, VIEW("proxy:")))
				word = view_from(word, strlen("proxy:"));
			take(word);
		}
	}
}
