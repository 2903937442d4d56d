/*
 * Master users: administrators who log in as others with a password of their own. What they may is in their entry of
 * auth_master_users, "{SCHEME}hash field=value ...": users= and services= say as whom and where, allow_nets= from where.
 * Without services= it is IMAP, POP3 and ManageSieve: sending mail as somebody else is for who is named for it.
 */
#include <errno.h>

#include "auth.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "lists.h"
#include "table/table.h"

#define SERVICES_DEFAULT "imap,pop3,sieve"

/* A field among the extra ones of an entry. */
static bool master_field(const char *extra, const char *name, struct view *value)
{
	struct user entry = { .extra = (char *)(uintptr_t)extra };

	return user_extra(&entry, name, value);
}

static bool master_has_service(const char *extra, struct view service)
{
	struct view rest = VIEW(SERVICES_DEFAULT), word;

	(void)master_field(extra, "services", &rest);
	while (view_next(&rest, ',', &word))
		if (view_eq_nocase(word, service))
			return true;
	return false;
}

/* "bob@example.test,@example.org": these users, and all of that domain. Without the field: all. */
static bool master_has_user(const char *extra, struct view user)
{
	size_t at = view_find_byte(user, '@');
	struct view rest, word;

	if (!master_field(extra, "users", &rest))
		return true;
	while (view_next(&rest, ',', &word))
		if (view_eq_nocase(word, user) ||
		    (at != VIEW_NOT_FOUND && view_eq_nocase(word, view_from(user, at))))
			return true;
	return false;
}

/* The password is right: may this master be that user, there, from here? */
static enum verdict master_permission(const struct attempt *attempt, const struct user *user,
				      const char *extra, struct error *why)
{
	struct view networks;

	if (master_field(extra, "allow_nets", &networks) &&
	    !networks_have(networks, str_view(&attempt->client_address)))
		error_set(why, 0,
			  "allow_nets of the master user does not have the client's address");
	else if (!master_has_service(extra, str_view(&attempt->service)))
		error_set(why, 0, "the master user may not log in to %s as others",
			  str_cstr(&attempt->service));
	else if (!master_has_user(extra, view_of(user->name)))
		error_set(why, 0, "the master user may not log in as %s", user->name);
	else if (user->system && (int64_t)user->uid < param.first_valid_uid)
		error_set(why, 0, "uid %u is below first_valid_uid", (unsigned)user->uid);
	else if (!verify_is_elsewhere(user, why))
		return LOGIN_RIGHT;
	return LOGIN_WRONG;
}

/* Its own password first: whose mailboxes there are is nobody's who does not know it. */
static enum verdict master_check_password(struct view master, struct view password,
					  struct str *entry, struct error *why)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	enum verdict verdict;
	size_t blank;
	int r = lists_find(LIST_MASTERS, master, entry, why);

	if (r < 0)
		return LOGIN_TEMPORARY;
	if (r == 0) {
		error_set(why, 0, "unknown master user");
		return verify_refuse_slowly(password);
	}
	blank = MIN(view_find_byte(str_view(entry), ' '), entry->len);
	if (blank < entry->len)
		entry->data[blank] = '\0';
	str_printf(&name, "%s%.*s", param.auth_master_user_separator, VIEW_ARG(master));
	verdict = verify_stored(str_cstr(&name), str_cstr(entry), password, why);
	str_consume(entry, MIN(blank + 1, entry->len));
	return verdict;
}

enum verdict master_check(const struct attempt *attempt, struct view name, struct view master,
			  struct view password, struct str *user_name, struct error *why)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	_cleanup_(str_wipe) struct str entry = STR_EMPTY;
	enum verdict verdict = master_check_password(master, password, &entry, why);
	int r;

	if (verdict != LOGIN_RIGHT)
		return verdict;
	r = verify_find_user(attempt, name, &user, why);
	if (r < 0)
		return r == -EPERM ? LOGIN_WRONG : LOGIN_TEMPORARY;
	if (r == 0) {
		error_set(why, 0, "the master user is right, the user unknown");
		return LOGIN_WRONG;
	}
	verdict = master_permission(attempt, &user, str_cstr(&entry), why);
	if (verdict == LOGIN_RIGHT)
		str_append_cstr(user_name, user.name);
	return verdict;
}
