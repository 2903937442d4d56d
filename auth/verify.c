/*
 * Whether a password belongs to a stored hash, for every scheme. The slow part runs in worker
 * threads, so that others need not wait.
 */
#include "auth.h"

#include <errno.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "services/clients.h"
#include "table/table.h"

/* As proxymap has it in the place of a password. */
#define BIND_SCHEME "{LDAP-BIND}"

/* What passwords of users who do not exist are checked against, to take the same time. */
static struct str nobody_hash;
static struct tables *denied_users;

int verify_prepare(struct error *err)
{
	_cleanup_(str_free) struct str secret = STR_EMPTY;
	unsigned char bytes[16];

	denied_users = tables_open(param.auth_denied_users, 0, err);
	if (denied_users == NULL)
		return -EINVAL;
	random_bytes(bytes, sizeof(bytes));
	hex_encode(&secret, view_make(bytes, sizeof(bytes)));
	return password_hash(str_view(&secret), NULL, &nobody_hash, err);
}

/* ---- in a worker thread ---- */

struct check {
	struct view password;
	const char *hash;
	struct error err;
};

static int check_in_worker(void *argument)
{
	struct check *check = argument;

	return password_check(check->password, check->hash, &check->err);
}

/* As password_check, beside the other tasks. */
static int check_hash(struct view password, const char *hash, struct error *why)
{
	struct check check = { .password = password, .hash = hash };
	int r = task_blocking(check_in_worker, &check);

	if (r < 0)
		*why = check.err;
	return r;
}

static enum verdict refuse_slowly(struct view password)
{
	struct error ignored = ERROR_NONE;

	(void)check_hash(password, str_cstr(&nobody_hash), &ignored);
	return LOGIN_WRONG;
}

/* ---- against a stored hash ---- */

/* "{LDAP-BIND}table key": the directory says whether the password is right. */
static int check_elsewhere(struct view password, const char *stored, struct error *why)
{
	struct view rest = view_from(view_of(stored), strlen(BIND_SCHEME));
	size_t space = view_find_byte(rest, ' ');

	return proxymap_verify(view_first(rest, space),
			       view_from(rest, space == VIEW_NOT_FOUND ? rest.len : space + 1),
			       password, why);
}

static enum verdict check_stored(const char *user, const char *stored, struct view password,
				 struct error *why)
{
	int r;

	if (cache_knows(user, stored, password))
		return LOGIN_RIGHT;
	if (view_starts(view_of(stored), VIEW(BIND_SCHEME))) {
		r = check_elsewhere(password, stored, why);
		if (r < 0)
			return LOGIN_TEMPORARY;
	} else {
		r = check_hash(password, stored, why);
	}
	if (r < 0) {
		log_warning("user %s cannot log in: %s", user, why->text);
		return refuse_slowly(password);
	}
	if (r == 0) {
		error_set(why, 0, "wrong password");
		return LOGIN_WRONG;
	}
	cache_remember(user, stored, password);
	return LOGIN_RIGHT;
}

static enum verdict check_system(const struct attempt *attempt, const struct user *user,
				 struct view password, struct error *why)
{
	_cleanup_(str_free) struct str hash = STR_EMPTY;
	enum verdict verdict, account;

	switch (system_method()) {
	case SYSTEM_PAM:
		return system_pam_check(user->name, password, str_cstr(&attempt->client_address),
					why);
	case SYSTEM_SHADOW:
		account = system_shadow_hash(user->name, &hash, why);
		if (account == LOGIN_TEMPORARY)
			return account;
		if (account == LOGIN_WRONG)
			return refuse_slowly(password);
		verdict = check_stored(user->name, str_cstr(&hash), password, why);
		if (verdict == LOGIN_RIGHT && account == LOGIN_DISABLED)
			error_set(why, 0, "the account has expired");
		mem_wipe(hash.data, hash.size);
		return verdict == LOGIN_RIGHT ? account : verdict;
	default:
		error_set(why, 0, "system users cannot log in (auth_system_users)");
		return refuse_slowly(password);
	}
}

/* ---- who it is ---- */

/* A name that can be somebody's: visible ASCII. Others go no further than here. */
static bool is_acceptable(struct view name, struct error *why)
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

/* user_find forgives a "+detail" in addresses of mail; who logs in gives the very name. */
static int find_exactly(struct view name, struct user *user, struct error *why)
{
	struct view asked, found, domain;
	int r = user_find(name, user, why);

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
	_cleanup_(str_free) struct str key = STR_EMPTY, value = STR_EMPTY;
	int r;

	if (tables_are_empty(denied_users))
		return 0;
	str_append_lower(&key, name);
	r = tables_lookup(denied_users, str_view(&key), &value, why);
	return r > 0 ? error_set(why, -EPERM, "auth_denied_users has %s", str_cstr(&key)) : r;
}

/* Denied is a user by the name that was given as well as by the one that the tables know. */
static int verify_find_allowed(struct view name, struct user *user, struct error *why)
{
	int r = verify_not_denied(name, why), allowed;

	if (r == 0)
		r = find_exactly(name, user, why);
	if (r <= 0 || view_eq_nocase(name, view_of(user->name)))
		return r;
	allowed = verify_not_denied(view_of(user->name), why);
	if (allowed < 0)
		user_free(user);
	return allowed < 0 ? allowed : r;
}

static int verify_find_user(struct view name, struct user *user, struct error *why)
{
	_cleanup_(str_free) struct str full = STR_EMPTY;
	int r = verify_find_allowed(name, user, why);

	if (r != 0 || param.auth_default_realm[0] == '\0' ||
	    view_find_byte(name, '@') != VIEW_NOT_FOUND)
		return r;
	str_append(&full, name);
	str_append_byte(&full, '@');
	str_append_cstr(&full, param.auth_default_realm);
	return verify_find_allowed(str_view(&full), user, why);
}

/* The password is right; may the user log in, from there? */
static enum verdict verify_permission(const struct user *user, struct view client,
				      struct error *why)
{
	struct view value;

	if (user_flag(user, "nologin")) {
		error_set(why, 0, "nologin");
		return LOGIN_DISABLED;
	}
	/* The mailbox is on another server, to which nobody is led from here. */
	if (user_flag(user, "proxy") || user_flag(user, "proxy_maybe") ||
	    user_extra(user, "host", &value)) {
		error_set(why, 0, "the user is another server's (proxy)");
		return LOGIN_DISABLED;
	}
	if (!user_allows_client(user, client)) {
		error_set(why, 0, "allow_nets does not have the client's address");
		return LOGIN_WRONG;
	}
	return LOGIN_RIGHT;
}

enum verdict verify_password(const struct attempt *attempt, struct view name, struct view password,
			     struct str *user_name, struct error *why)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	enum verdict verdict;
	int r;

	if (!is_acceptable(name, why))
		return LOGIN_WRONG;
	if (password.len == 0 || password.len > PASSWORD_MAX ||
	    view_find_byte(password, '\0') != VIEW_NOT_FOUND) {
		error_set(why, 0, "password empty, too long or with a NUL byte");
		return LOGIN_WRONG;
	}
	r = verify_find_user(name, &user, why);
	if (r == -EPERM) /* uid 0, or denied: never, and not by waiting either */
		return refuse_slowly(password);
	if (r < 0)
		return LOGIN_TEMPORARY;
	if (r == 0) {
		error_set(why, 0, "unknown user");
		return refuse_slowly(password);
	}
	if (user.system && (int64_t)user.uid < param.first_valid_uid) {
		error_set(why, 0, "uid %u is below first_valid_uid", (unsigned)user.uid);
		return refuse_slowly(password);
	}
	verdict = user.system ? check_system(attempt, &user, password, why)
			      : check_stored(user.name, user.password, password, why);
	if (verdict == LOGIN_RIGHT)
		verdict = verify_permission(&user, str_view(&attempt->client_address), why);
	if (verdict == LOGIN_RIGHT)
		str_append_cstr(user_name, user.name);
	return verdict;
}

/* ---- proven otherwise ---- */

enum verdict verify_proven(const struct attempt *attempt, struct view name, struct str *user_name,
			   struct error *why)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	enum verdict verdict;
	int r;

	if (!is_acceptable(name, why))
		return LOGIN_WRONG;
	r = verify_find_user(name, &user, why);
	if (r < 0)
		return r == -EPERM ? LOGIN_WRONG : LOGIN_TEMPORARY;
	if (r == 0 || (user.system && (int64_t)user.uid < param.first_valid_uid)) {
		error_set(why, 0, "unknown user");
		return LOGIN_WRONG;
	}
	if (user.system && system_method() == SYSTEM_NO) {
		error_set(why, 0, "system users cannot log in (auth_system_users)");
		return LOGIN_WRONG;
	}
	verdict = verify_permission(&user, str_view(&attempt->client_address), why);
	if (verdict == LOGIN_RIGHT)
		str_append_cstr(user_name, user.name);
	return verdict;
}

/* ---- SCRAM ---- */

struct keys_question {
	const char *stored;
	enum scram_hash which;
	struct view salt;
	struct scram_keys *keys;
	struct error *why;
};

static int scram_keys_in_worker(void *argument)
{
	struct keys_question *q = argument;

	return password_scram_keys(q->stored, q->which, q->salt, q->keys, q->why);
}

enum verdict verify_scram_keys(const struct attempt *attempt, enum scram_hash which,
			       struct view name, struct view salt, struct scram_keys *keys,
			       struct str *user_name, struct error *why)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	int r;

	if (!is_acceptable(name, why))
		return LOGIN_WRONG;
	r = verify_find_user(name, &user, why);
	if (r < 0)
		return r == -EPERM ? LOGIN_WRONG : LOGIN_TEMPORARY;
	if (r == 0 || user.system) {
		error_set(why, 0, r == 0 ? "unknown user" : "system users have no keys for SCRAM");
		return LOGIN_WRONG;
	}
	struct keys_question q = { user.password, which, salt, keys, why };

	if (task_blocking(scram_keys_in_worker, &q) < 0)
		return LOGIN_WRONG;
	str_set(user_name, view_of(user.name));
	return verify_permission(&user, str_view(&attempt->client_address), why);
}
