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
#include "services/clients.h"

/* As proxymap has it in the place of a password. */
#define BIND_SCHEME "{LDAP-BIND}"

/* What passwords of users who do not exist are checked against, to take the same time. */
static struct str nobody_hash;

int stored_prepare(struct error *err)
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

enum verdict verify_refuse_slowly(struct view password)
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

enum verdict verify_stored(const char *user, const char *stored, struct view password,
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
		return verify_refuse_slowly(password);
	}
	if (r == 0) {
		error_set(why, 0, "wrong password");
		return LOGIN_WRONG;
	}
	cache_remember(user, stored, password);
	return LOGIN_RIGHT;
}
