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

/* What passwords of users who do not exist are checked against, to take the same time. */
static struct str nobody_hash;

int verify_prepare(struct error *err)
{
	_cleanup_(str_free) struct str secret = STR_EMPTY;
	unsigned char bytes[16];

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

static enum verdict check_stored(const char *user, const char *stored, struct view password,
				 struct error *why)
{
	int r;

	if (cache_knows(user, stored, password))
		return LOGIN_RIGHT;
	r = check_hash(password, stored, why);
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
	if (view_eq_nocase(asked, found))
		return 1;
	user_free(user);
	return 0;
}

static int verify_find_user(struct view name, struct user *user, struct error *why)
{
	_cleanup_(str_free) struct str full = STR_EMPTY;
	int r = find_exactly(name, user, why);

	if (r != 0 || param.auth_default_realm[0] == '\0' ||
	    view_find_byte(name, '@') != VIEW_NOT_FOUND)
		return r;
	str_append(&full, name);
	str_append_byte(&full, '@');
	str_append_cstr(&full, param.auth_default_realm);
	return find_exactly(str_view(&full), user, why);
}

enum verdict verify_password(const struct attempt *attempt, struct view name, struct view password,
			     struct str *user_name, struct error *why)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	struct view value;
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
	if (r == -EPERM) /* uid 0: never, and not by waiting either */
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
	if (verdict == LOGIN_RIGHT && user_extra(&user, "nologin", &value)) {
		error_set(why, 0, "nologin");
		return LOGIN_DISABLED;
	}
	if (verdict == LOGIN_RIGHT)
		str_append_cstr(user_name, user.name);
	return verdict;
}

/* ---- SCRAM ---- */

struct keys_question {
	const char *stored;
	struct view salt;
	struct scram_keys *keys;
	struct error *why;
};

static int scram_keys_in_worker(void *argument)
{
	struct keys_question *q = argument;

	return password_scram_keys(q->stored, q->salt, q->keys, q->why);
}

enum verdict verify_scram_keys(struct view name, struct view salt, struct scram_keys *keys,
			       struct str *user_name, struct error *why)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	struct view value;
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
	struct keys_question q = { user.password, salt, keys, why };

	if (task_blocking(scram_keys_in_worker, &q) < 0)
		return LOGIN_WRONG;
	str_set(user_name, view_of(user.name));
	if (user_extra(&user, "nologin", &value)) {
		error_set(why, 0, "nologin");
		return LOGIN_DISABLED;
	}
	return LOGIN_RIGHT;
}
