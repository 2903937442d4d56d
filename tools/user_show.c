/* posta user list: one user, for people or as JSON. */
#include "tools/user_show.h"

#include <stdio.h>

#include "base/mem.h"
#include "tools/instance.h"
#include "tools/json.h"
#include "tools/user_logins.h"

static const char *password_state(const char *password, struct error *err)
{
	const char *hash = password[0] == '{' ? strchr(password, '}') : NULL;

	hash = hash != NULL ? hash + 1 : password;
	if (password_check_scheme(password, err) < 0)
		return "unusable";
	return hash[0] == '\0' || hash[0] == '*' || hash[0] == '!' ? "locked" : "set";
}

void user_show(const struct user *user, bool as_json, bool logins)
{
	_cleanup_(str_free) struct str used = STR_EMPTY;
	int64_t last = 0;

	struct error err = ERROR_NONE;
	const char *password = password_state(user->password, &err);

	if (logins && instance_find("user"))
		last = user_last_login(view_of(user->name), VIEW_NONE, &used);
	if (as_json) {
		struct json out = JSON_START;

		json_object(&out, NULL);
		json_string(&out, "user", view_of(user->name));
		json_string(&out, "password", view_of(password));
		json_number(&out, "uid", (int64_t)user->uid);
		json_number(&out, "gid", (int64_t)user->gid);
		json_string(&out, "home", view_of(user->home));
		json_string(&out, "mail", view_of(user->mail));
		json_string(&out, "extra", view_of(user->extra));
		if (logins)
			json_number(&out, "last_login", MAX(last, (int64_t)0));
		json_end(&out);
		json_print(&out);
		return;
	}
	printf("%s\tpassword=%s\tuid=%u\tgid=%u\tmail=%s%s%s%s%s\n", user->name, password,
	       (unsigned)user->uid, (unsigned)user->gid, user->mail,
	       user->extra[0] != '\0' ? "\t" : "", user->extra,
	       !logins	  ? ""
	       : last > 0 ? "\tlast login "
			  : "\tno login is known",
	       str_cstr(&used));
	if (err.text[0] != '\0')
		fprintf(stderr, "posta user: %s cannot log in: %s\n", user->name, err.text);
}
