/* The passwd-file form: address:{SCHEME}hash:uid:gid:gecos:home:shell:extra fields */
#include "user/internal.h"

#include <errno.h>

#include "base/mem.h"
#include "mail/address.h"

static const char *const field_names[USER_FIELDS] = { "user name", "password", "uid",	"gid",
						      "gecos",	   "home",     "shell", "extra" };

static int user_check_name(struct view name, struct error *err)
{
	struct view local, domain;

	if (name.len == 0)
		return error_set(err, -EINVAL, "field 1 (user name) is empty");
	if (name.len > USER_NAME_MAX)
		return error_set(err, -EINVAL, "field 1 (user name) is longer than %d bytes",
				 USER_NAME_MAX);
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.data[i] <= ' ' || (unsigned char)name.data[i] >= 127)
			return error_set(err, -EINVAL,
					 "field 1 (user name): only visible ASCII characters");
	address_split(name, &local, &domain);
	if (local.len == 0)
		return error_set(err, -EINVAL, "field 1 (user name): nothing before the @");
	if (view_find_byte(name, '@') != VIEW_NOT_FOUND && !domain_is_valid(domain, false))
		return error_set(err, -EINVAL, "field 1 (user name): \"%.*s\" is no domain",
				 VIEW_ARG(domain));
	return 0;
}

/* A number, a name, or nothing. Whether the name exists is asked when it is used. */
static int check_id(struct view id, int field, struct error *err)
{
	uint32_t number;

	if (id.len == 0)
		return 0;
	if (ascii_is_digit(id.data[0])) {
		if (view_parse_u32(id, UINT32_MAX - 1, &number) < 0)
			return error_set(err, -EINVAL, "field %d (%s): \"%.*s\" is no number",
					 field + 1, field_names[field], VIEW_ARG(id));
		if (number == 0 && field == USER_FIELD_UID)
			return error_set(err, -EINVAL,
					 "field 3 (uid): mail is never handled as root");
		return 0;
	}
	if (id.len > 64)
		return error_set(err, -EINVAL, "field %d (%s) is too long", field + 1,
				 field_names[field]);
	for (size_t i = 0; i < id.len; i++)
		if (!ascii_is_alnum(id.data[i]) &&
		    (i == 0 ? id.data[i] != '_' : strchr("_.-$", id.data[i]) == NULL))
			return error_set(
				err, -EINVAL,
				"field %d (%s): expected a number or a name, found \"%.*s\"",
				field + 1, field_names[field], VIEW_ARG(id));
	return 0;
}

static int check_home(struct view home, struct error *err)
{
	if (home.len == 0)
		return 0;
	if (home.data[0] != '/')
		return error_set(err, -EINVAL,
				 "field 6 (home): \"%.*s\" does not begin with a slash",
				 VIEW_ARG(home));
	if (home.len > USER_PATH_MAX)
		return error_set(err, -EINVAL, "field 6 (home) is longer than %d bytes",
				 USER_PATH_MAX);
	return 0;
}

/* "{SCHEME" without its end is a slip of the hand; whether we take the scheme is another matter. */
static int check_password(struct view password, struct error *err)
{
	if (password.len > 0 && password.data[0] == '{' &&
	    view_find_byte(password, '}') == VIEW_NOT_FOUND)
		return error_set(err, -EINVAL, "field 2 (password): a scheme without \"}\"");
	if (password.len > 1024)
		return error_set(err, -EINVAL, "field 2 (password) is longer than 1024 bytes");
	return 0;
}

int user_split_line(struct view line, struct view fields[USER_FIELDS], struct error *err)
{
	struct view rest = view_trim(line);

	/* Also NUL: the values become C strings. */
	for (size_t i = 0; i < rest.len; i++)
		if ((unsigned char)rest.data[i] < 32 && rest.data[i] != '\t')
			return error_set(err, -EINVAL, "a control character at byte %zu", i + 1);
	for (size_t i = 0; i < USER_FIELDS; i++) {
		size_t end = i == USER_FIELD_EXTRA ? VIEW_NOT_FOUND : view_find_byte(rest, ':');

		if (end == VIEW_NOT_FOUND)
			end = rest.len;
		fields[i] = view_first(rest, end);
		rest = view_from(rest, end + 1);
	}
	return user_check_fields(fields, err);
}

int user_check_fields(const struct view fields[USER_FIELDS], struct error *err)
{
	int r = user_check_name(fields[USER_FIELD_NAME], err);

	if (r == 0)
		r = check_password(fields[USER_FIELD_PASSWORD], err);
	if (r == 0)
		r = check_id(fields[USER_FIELD_UID], USER_FIELD_UID, err);
	if (r == 0)
		r = check_id(fields[USER_FIELD_GID], USER_FIELD_GID, err);
	if (r == 0)
		r = check_home(fields[USER_FIELD_HOME], err);
	return r;
}

int user_check_line(struct view line, struct error *err)
{
	struct view fields[USER_FIELDS];

	return user_split_line(line, fields, err);
}

bool user_extra(const struct user *user, const char *name, struct view *value)
{
	struct view rest = view_of(user->extra), word, wanted = view_of(name);

	while (view_next_word(&rest, " \t", &word)) {
		size_t equals = view_find_byte(word, '=');

		if (!view_eq(view_first(word, MIN(equals, word.len)), wanted))
			continue;
		*value = equals == VIEW_NOT_FOUND ? VIEW_NONE : view_from(word, equals + 1);
		return true;
	}
	return false;
}
