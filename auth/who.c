/* Who it is that wants to log in, and whether that is allowed at all. Looks at no password. */
#include "auth.h"

#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "lists.h"
#include "mail/address.h"

/* A name that can be somebody's: visible ASCII. Others go no further than here. */
bool who_is_acceptable(struct view name, struct error *why)
{
	if (name.len == 0 || name.len > USER_NAME_MAX) {
		error_set(why, 0, "user name empty or too long");
		return false;
	}
	for (size_t i = 0; i < name.len; i++) {
		if ((unsigned char)name.data[i] <= ' ' || (unsigned char)name.data[i] >= 127) {
			error_set(why, 0, "user name with a character that is not allowed");
			return false;
		}
	}
	return true;
}

/* Tables may ask for which service it is: a word, whatever the program that asks for it says. */
static void who_append_asker(const struct attempt *attempt, struct str *asker)
{
	struct view service = str_view(&attempt->service);

	for (size_t i = 0; i < service.len; i++)
		if (!ascii_is_alnum(service.data[i]) && service.data[i] != '-')
			return;
	str_append_lower(asker, service);
	if (attempt->secured)
		str_append_cstr(asker, " secured");
}

/* user_find forgives a "+detail" in addresses of mail; who logs in gives the very name. */
static int find_exactly(const struct attempt *attempt, struct view name, struct user *user,
			struct error *why)
{
	_cleanup_(str_free) struct str asker = STR_EMPTY;
	struct view asked, found, domain;
	int r;

	who_append_asker(attempt, &asker);
	r = user_find_as(name, str_view(&asker), user, why);

	if (r <= 0)
		return r;
	address_split(name, &asked, &domain);
	address_split(view_of(user->name), &found, &domain);
	if (user->renamed || view_eq_nocase(asked, found))
		return 1;
	user_free(user);
	return 0;
}

/* Who stands in auth_denied_users does not log in, whatever the others say. 0, or -EPERM. */
static int verify_not_denied(struct view name, struct error *why)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	int r = lists_find(LIST_DENIED, name, &value, why);

	return r > 0 ? error_set(why, -EPERM, "auth_denied_users has %.*s", VIEW_ARG(name)) : r;
}

/* Denied is a user by the name that was given as well as by the one that the tables know. */
static int verify_find_allowed(const struct attempt *attempt, struct view name, struct user *user,
			       struct error *why)
{
	int r = verify_not_denied(name, why), allowed;

	if (r == 0)
		r = find_exactly(attempt, name, user, why);
	if (r <= 0 || view_eq_nocase(name, view_of(user->name)))
		return r;
	allowed = verify_not_denied(view_of(user->name), why);
	if (allowed < 0)
		user_free(user);
	return allowed < 0 ? allowed : r;
}

int verify_find_user(const struct attempt *attempt, struct view name, struct user *user,
		     struct error *why)
{
	_cleanup_(str_free) struct str full = STR_EMPTY;
	int r = verify_find_allowed(attempt, name, user, why);

	if (r != 0 || param.auth_default_realm[0] == '\0' ||
	    view_find_byte(name, '@') != VIEW_NOT_FOUND)
		return r;
	str_append(&full, name);
	str_append_byte(&full, '@');
	str_append_cstr(&full, param.auth_default_realm);
	return verify_find_allowed(attempt, str_view(&full), user, why);
}

/* On another server, to which nobody is led from here. */
bool verify_is_elsewhere(const struct user *user, struct error *why)
{
	struct view value;

	if (!user_flag(user, "proxy") && !user_flag(user, "proxy_maybe") &&
	    !user_extra(user, "host", &value))
		return false;
	error_set(why, 0, "the user is another server's (proxy)");
	return true;
}

/* The password is right; may the user log in, from there? */
enum verdict verify_permission(const struct user *user, struct view client, struct error *why)
{
	if (user_flag(user, "nologin")) {
		error_set(why, 0, "nologin");
		return LOGIN_DISABLED;
	}
	if (verify_is_elsewhere(user, why))
		return LOGIN_DISABLED;
	if (!user_allows_client(user, client)) {
		error_set(why, 0, "allow_nets does not have the client's address");
		return LOGIN_WRONG;
	}
	return LOGIN_RIGHT;
}
