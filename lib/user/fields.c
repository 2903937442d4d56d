/*
 * A user as fields with names, each after a tab ("\tuser=alice@example.test\tuid=500"), as
 * databases and directories have it; and what the extra fields say about who may log in.
 */
#include "user/internal.h"

#include <errno.h>

#include "base/mem.h"
#include "table/table.h"

/* Fields that have a place of their own; what is not here is extra. */
static const struct {
	const char *name;
	enum user_field field;
} field_places[] = {
	{ "user", USER_FIELD_NAME },	     { "username", USER_FIELD_NAME },
	{ "password", USER_FIELD_PASSWORD }, { "uid", USER_FIELD_UID },
	{ "gid", USER_FIELD_GID },	     { "home", USER_FIELD_HOME },
};

bool user_has_named_fields(struct view text)
{
	return view_starts(text, VIEW("\t"));
}

static bool fields_place(struct view name, enum user_field *field)
{
	for (size_t i = 0; i < ARRAY_SIZE(field_places); i++)
		if (view_is(name, field_places[i].name)) {
			*field = field_places[i].field;
			return true;
		}
	return false;
}

/* "domain" beside "user" is how Dovecot has a name in two columns. */
static void fields_join_name(struct view fields[USER_FIELDS], struct view domain, struct str *name)
{
	if (domain.len == 0 || fields[USER_FIELD_NAME].len == 0 ||
	    view_find_byte(fields[USER_FIELD_NAME], '@') != VIEW_NOT_FOUND)
		return;
	str_append(name, fields[USER_FIELD_NAME]);
	str_append_byte(name, '@');
	str_append(name, domain);
	fields[USER_FIELD_NAME] = str_view(name);
}

int user_split_fields(struct view text, struct view key, struct view fields[USER_FIELDS],
		      struct str *name, struct str *extra, struct error *err)
{
	struct view rest = view_from(text, 1), piece, domain = VIEW_NONE;

	for (size_t i = 0; i < USER_FIELDS; i++)
		fields[i] = VIEW_NONE;
	while (view_next(&rest, '\t', &piece)) {
		size_t equals = view_find_byte(piece, '=');
		struct view left = view_first(piece, equals);
		struct view value =
			view_from(piece, equals == VIEW_NOT_FOUND ? piece.len : equals + 1);
		enum user_field field;

		if (fields_place(left, &field)) {
			fields[field] = value;
		} else if (view_is(left, "domain")) {
			domain = value;
		} else if (view_find_byte(piece, ' ') != VIEW_NOT_FOUND) {
			return error_set(err, -EINVAL, "a space in the field %.*s", VIEW_ARG(left));
		} else {
			str_printf(extra, "%s%.*s", extra->len > 0 ? " " : "", VIEW_ARG(piece));
		}
	}
	fields_join_name(fields, domain, name);
	if (fields[USER_FIELD_NAME].len == 0)
		fields[USER_FIELD_NAME] = key;
	fields[USER_FIELD_EXTRA] = str_view(extra);
	return user_check_fields(fields, err);
}

/* ---- what they say about logins ---- */

bool user_flag(const struct user *user, const char *name)
{
	struct view value;

	return user_extra(user, name, &value) && !view_is(value, "0") &&
	       !view_is_nocase(value, "no") && !view_is_nocase(value, "n");
}

bool user_allows_client(const struct user *user, struct view address)
{
	struct view list;

	return !user_extra(user, "allow_nets", &list) || networks_have(list, address);
}
