/* App passwords: which of a user's it is, and what the main password still opens. Judges no main password. */
#include <errno.h>

#include "auth.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "lists.h"
#include "user/app_password.h"

/* Goes through all of them, whichever is right. */
static enum verdict app_look_through(const struct attempt *attempt, const struct user *user,
				     struct view entries, struct view password, struct str *name,
				     struct error *why)
{
	struct view rest = entries, service = str_view(&attempt->service);
	enum verdict verdict = LOGIN_WRONG;
	struct app_password one;
	bool malformed;

	for (int i = 0; i < APP_PASSWORDS_MAX && app_password_next(&rest, &one, &malformed); i++) {
		_cleanup_free_ char *hash = mem_strndup(one.hash.data, one.hash.len);

		if (verdict == LOGIN_RIGHT || password_check(password, hash, why) != 1)
			continue;
		if (app_password_opens(&one, service)) {
			str_set(name, one.name);
			verdict = LOGIN_RIGHT;
		} else {
			error_set(why, 0, "the app password %.*s is not for %.*s",
				  VIEW_ARG(one.name), VIEW_ARG(service));
		}
	}
	if (malformed)
		error_set(why, 0, "auth_app_passwords: the entry of %s is malformed", user->name);
	return verdict;
}

enum verdict app_check(const struct attempt *attempt, const struct user *user, struct view password,
		       struct str *name, struct error *why)
{
	_cleanup_(str_wipe) struct str plain = STR_EMPTY, entries = STR_EMPTY;
	int r;

	if (!app_password_read(password, &plain))
		return LOGIN_WRONG;
	r = lists_find(LIST_APP_PASSWORDS, view_of(user->name), &entries, why);
	if (r < 0)
		return LOGIN_TEMPORARY;
	return r == 0 ? LOGIN_WRONG
		      : app_look_through(attempt, user, str_view(&entries), str_view(&plain), name,
					 why);
}

bool app_main_password_opens(const struct attempt *attempt, const struct user *user,
			     struct error *why)
{
	struct view rest = view_of(param.auth_app_password_services), word;
	bool opens = !user_flag(user, "app_passwords_only");

	while (conf_next_element(&rest, &word))
		opens &= !view_eq_nocase(word, str_view(&attempt->service));
	if (!opens && why->text[0] == '\0')
		error_set(why, 0, "only app passwords open %s", str_cstr(&attempt->service));
	return opens;
}
