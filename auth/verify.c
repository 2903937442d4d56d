/* Name and proof to a verdict: passwords of all kinds, certificates and tokens, keys for SCRAM. */
#include "auth.h"

#include <errno.h>

#include "base/mem.h"
#include "conf/conf.h"

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
			return verify_refuse_slowly(password);
		verdict = verify_stored(user->name, str_cstr(&hash), password, why);
		if (verdict == LOGIN_RIGHT && account == LOGIN_DISABLED)
			error_set(why, 0, "the account has expired");
		mem_wipe(hash.data, hash.size);
		return verdict == LOGIN_RIGHT ? account : verdict;
	default:
		error_set(why, 0, "system users cannot log in (auth_system_users)");
		return verify_refuse_slowly(password);
	}
}

/* App passwords first: they are quick to look through, and one that is right needs no other. */
static enum verdict verify_passwords(const struct attempt *attempt, const struct user *user,
				     struct view password, struct proof *proof, struct error *why)
{
	enum verdict verdict = app_check(attempt, user, password, &proof->app_password, why);
	struct error of_app = *why;

	if (verdict != LOGIN_WRONG)
		return verdict;
	if (!app_main_password_opens(attempt, user, why))
		return verify_refuse_slowly(password);
	verdict = user->system ? check_system(attempt, user, password, why)
			       : verify_stored(user->name, user->password, password, why);
	if (verdict == LOGIN_WRONG && of_app.text[0] != '\0')
		*why = of_app;
	return verdict;
}

static enum verdict verify_own_password(const struct attempt *attempt, struct view name,
					struct view password, struct str *user_name,
					struct proof *proof, struct error *why)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	enum verdict verdict;
	int r = verify_find_user(attempt, name, &user, why);

	if (r == -EPERM) /* uid 0, or denied: never, and not by waiting either */
		return verify_refuse_slowly(password);
	if (r < 0)
		return LOGIN_TEMPORARY;
	if (r == 0) {
		error_set(why, 0, "unknown user");
		return verify_refuse_slowly(password);
	}
	if (user.system && (int64_t)user.uid < param.first_valid_uid) {
		error_set(why, 0, "uid %u is below first_valid_uid", (unsigned)user.uid);
		return verify_refuse_slowly(password);
	}
	verdict = verify_passwords(attempt, &user, password, proof, why);
	if (verdict == LOGIN_RIGHT)
		verdict = verify_permission(&user, str_view(&attempt->client_address), why);
	if (verdict == LOGIN_RIGHT)
		str_append_cstr(user_name, user.name);
	return verdict;
}

enum verdict verify_password(const struct attempt *attempt, struct view name, struct view password,
			     struct str *user_name, struct proof *proof, struct error *why)
{
	struct view user, master;
	enum verdict verdict;

	if (!who_is_acceptable(name, why))
		return LOGIN_WRONG;
	if (password.len == 0 || password.len > PASSWORD_MAX ||
	    view_find_byte(password, '\0') != VIEW_NOT_FOUND) {
		error_set(why, 0, "password empty, too long or with a NUL byte");
		return LOGIN_WRONG;
	}
	if (!master_split(name, &user, &master))
		return verify_own_password(attempt, name, password, user_name, proof, why);
	verdict = master_check(attempt, user, master, password, user_name, why);
	if (verdict == LOGIN_RIGHT)
		str_append(&proof->master, master);
	return verdict;
}

void proof_free(struct proof *proof)
{
	str_free(&proof->app_password);
	str_free(&proof->master);
}

/* ---- proven otherwise ---- */

enum verdict verify_proven(const struct attempt *attempt, struct view name, struct str *user_name,
			   struct error *why)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	enum verdict verdict;
	int r;

	if (!who_is_acceptable(name, why))
		return LOGIN_WRONG;
	r = verify_find_user(attempt, name, &user, why);
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

	if (!who_is_acceptable(name, why))
		return LOGIN_WRONG;
	r = verify_find_user(attempt, name, &user, why);
	if (r < 0)
		return r == -EPERM ? LOGIN_WRONG : LOGIN_TEMPORARY;
	if (r == 0 || user.system) {
		error_set(why, 0, r == 0 ? "unknown user" : "system users have no keys for SCRAM");
		return LOGIN_WRONG;
	}
	/* The keys are the main password's. */
	if (!app_main_password_opens(attempt, &user, why))
		return LOGIN_WRONG;
	struct keys_question q = { user.password, which, salt, keys, why };

	if (task_blocking(scram_keys_in_worker, &q) < 0)
		return LOGIN_WRONG;
	str_set(user_name, view_of(user.name));
	return verify_permission(&user, str_view(&attempt->client_address), why);
}
