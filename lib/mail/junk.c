/* Which fields say that a message is junk. Their names and texts are the administrator's. */
#include "mail/junk.h"

#include <errno.h>

#include "base/mem.h"

struct junk_checks {
	struct str text;
	struct {
		struct view name, value; /* in `text` */
	} items[JUNK_CHECKS_MAX];
	size_t count;
};

static bool is_field_name(struct view name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] <= ' ' || name.data[i] > '~')
			return false;
	return name.len > 0;
}

static int junk_checks_add(struct junk_checks *checks, struct view item, struct error *err)
{
	size_t colon = view_find_byte(item, ':');
	struct view name = view_trim(view_first(item, colon != VIEW_NOT_FOUND ? colon : 0));

	if (!is_field_name(name))
		return error_set(err, -EINVAL, "expected \"Name: text\", not \"%.*s\"",
				 VIEW_ARG(item));
	if (checks->count == JUNK_CHECKS_MAX)
		return error_set(err, -E2BIG, "more than %d fields", JUNK_CHECKS_MAX);
	checks->items[checks->count].name = name;
	checks->items[checks->count++].value = view_trim(view_from(item, colon + 1));
	return 0;
}

struct junk_checks *junk_checks_parse(struct view list, struct error *err)
{
	struct junk_checks *checks = mem_new(struct junk_checks);
	struct view rest, item;

	str_append(&checks->text, list);
	rest = str_view(&checks->text);
	while (view_next(&rest, ',', &item)) {
		item = view_trim(item);
		if (item.len > 0 && junk_checks_add(checks, item, err) < 0) {
			junk_checks_free(checks);
			return NULL;
		}
	}
	return checks;
}

void junk_checks_free(struct junk_checks *checks)
{
	if (checks == NULL)
		return;
	str_free(&checks->text);
	free(checks);
}

bool junk_checks_name(const struct junk_checks *checks, struct view name)
{
	for (size_t i = 0; i < checks->count; i++)
		if (view_eq_nocase(checks->items[i].name, name))
			return true;
	return false;
}

/* "yes" of "Yes, score=7.2", not of "yesterday". */
static bool value_begins(struct view value, struct view text)
{
	return view_eq_nocase(view_first(value, text.len), text) &&
	       (value.len == text.len || text.len == 0 || !ascii_is_alnum(value.data[text.len]));
}

bool junk_checks_match(const struct junk_checks *checks, const struct header_field *field)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;

	if (!junk_checks_name(checks, field->name))
		return false;
	header_unfold(&value, field->body);
	for (size_t i = 0; i < checks->count; i++)
		if (view_eq_nocase(checks->items[i].name, field->name) &&
		    value_begins(str_view(&value), checks->items[i].value))
			return true;
	return false;
}

bool junk_checks_find(const struct junk_checks *checks, struct view header,
		      struct header_field *field)
{
	while (header_next(&header, field) > 0)
		if (junk_checks_match(checks, field))
			return true;
	return false;
}
