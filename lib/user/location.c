/* Where a user's mail is: patterns with ~, %u, %n, %d. */
#include "user/internal.h"

#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"

/*
 * Names come from tables and from strangers' addresses; in a path they must stay one component
 * of a folder: no slash, and no name that begins with a dot ("..", hidden files).
 */
static int append_component(struct str *out, struct view part, struct error *err)
{
	if (part.len == 0 || part.len > 255 || part.data[0] == '.' ||
	    view_find_byte(part, '/') != VIEW_NOT_FOUND || view_has_control(part))
		return error_set(err, -EINVAL, "the user name cannot be part of a path: \"%.*s\"",
				 VIEW_ARG(part));
	str_append(out, part);
	return 0;
}

int user_expand_path(const char *pattern, struct view name, const char *home, struct str *out,
		     struct error *err)
{
	struct view local, domain;
	int r = 0;

	address_split(name, &local, &domain);
	str_clear(out);
	for (const char *at = pattern; *at != '\0' && r == 0; at++) {
		if (*at == '~' && at == pattern && home != NULL &&
		    (at[1] == '/' || at[1] == '\0')) {
			str_append_cstr(out, home);
			continue;
		}
		if (*at != '%') {
			str_append_byte(out, *at);
			continue;
		}
		at++;
		if (*at == 'u')
			r = append_component(out, name, err);
		else if (*at == 'n')
			r = append_component(out, local, err);
		else if (*at == 'd')
			r = append_component(out, domain, err);
		else if (*at == '%')
			str_append_byte(out, '%');
		else
			return error_set(err, -EINVAL, "\"%s\": %% stands before u, n or d only",
					 pattern);
	}
	if (r == 0 && out->len > USER_PATH_MAX)
		return error_set(err, -ENAMETOOLONG, "the path of %.*s is too long",
				 VIEW_ARG(name));
	if (r == 0 && (out->len == 0 || out->data[0] != '/'))
		return error_set(err, -EINVAL, "\"%s\" does not lead to an absolute path", pattern);
	while (r == 0 && out->len > 1 && out->data[out->len - 1] == '/')
		str_truncate(out, out->len - 1);
	return r;
}

static bool is_maildir_path(const char *path)
{
	size_t len = strlen(path);

	return len > 0 && path[len - 1] == '/';
}

/* "maildir:PATH" or a bare path. */
static int expand_location(const char *location, struct user *user, struct str *out,
			   struct error *err)
{
	const char *path = location;
	const char *colon = strchr(location, ':');

	if (colon != NULL && strncmp(location, "maildir:", 8) == 0)
		path = colon + 1;
	if (strchr(path, ':') != NULL)
		return error_set(err, -EINVAL,
				 "mail location \"%s\": expected maildir:PATH, without options",
				 location);
	return user_expand_path(path, view_of(user->name), user->home, out, err);
}

int user_locate_mail(struct user *user, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct view own;
	int r;

	if (user_extra(user, "mail", &own) || user_extra(user, "userdb_mail", &own)) {
		_cleanup_free_ char *location = mem_strndup(own.data, own.len);

		r = expand_location(location, user, &path, err);
	} else if (user->system && is_maildir_path(param.home_mailbox)) {
		str_printf(&path, "%s/%s", user->home, param.home_mailbox);
		str_truncate(&path, path.len - 1);
		r = 0;
	} else if (user->system && param.home_mailbox[0] == '\0' &&
		   is_maildir_path(param.mail_spool_directory)) {
		str_append_cstr(&path, param.mail_spool_directory);
		r = append_component(&path, view_of(user->name), err);
	} else {
		r = expand_location(param.mail_location, user, &path, err);
	}
	if (r == 0)
		user->mail = str_take(&path);
	return r;
}
