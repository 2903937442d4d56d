/*
 * Accounts of the system, through PAM or the shadow file, asked in worker threads. Whether they
 * may log in at all is the configuration's word.
 */
#include "auth.h"

#include <errno.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <shadow.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"

#define PAM_SERVICE_NAME "posta"
#define SHADOW_ENTRY_MAX ((size_t)65536)
#define SECONDS_OF_A_DAY 86400
#define PAM_MESSAGES_MAX 32

static enum system_method method;

int system_prepare(struct error *err)
{
	struct view word = view_of(param.auth_system_users);

	if (view_is_nocase(word, "no"))
		method = SYSTEM_NO;
	else if (view_is_nocase(word, "pam"))
		method = SYSTEM_PAM;
	else if (view_is_nocase(word, "shadow"))
		method = SYSTEM_SHADOW;
	else if (!view_is_nocase(word, "auto"))
		return error_set(
			err, -EINVAL,
			"auth_system_users: expected auto, pam, shadow or no, found \"%s\"",
			param.auth_system_users);
	else if (!daemon_running_as_root())
		method = SYSTEM_NO;
	else
		method = access("/etc/pam.d/" PAM_SERVICE_NAME, F_OK) == 0 ? SYSTEM_PAM
									   : SYSTEM_SHADOW;
	/* Loads what nsswitch.conf names while code may still be loaded. */
	(void)getpwnam("root");
	(void)getpwnam("-");
	return 0;
}

enum system_method system_method(void)
{
	return method;
}

/* ---- shadow ---- */

struct shadow_question {
	const char *name;
	struct str *hash;
	bool expired;
};

static int ask_shadow(void *argument)
{
	struct shadow_question *q = argument;
	_cleanup_free_ char *buffer = mem_new_bytes(SHADOW_ENTRY_MAX);
	struct spwd entry, *found = NULL;
	int e = getspnam_r(q->name, &entry, buffer, SHADOW_ENTRY_MAX, &found);

	if (found == NULL)
		return e == 0 || e == ENOENT ? 0 : -e;
	str_append_cstr(q->hash, entry.sp_pwdp);
	q->expired = entry.sp_expire >= 0 && clock_wall() / SECONDS_OF_A_DAY >= entry.sp_expire;
	mem_wipe(buffer, SHADOW_ENTRY_MAX);
	return 1;
}

enum verdict system_shadow_hash(const char *name, struct str *hash, struct error *why)
{
	struct shadow_question q = { .name = name, .hash = hash };
	int r = task_blocking(ask_shadow, &q);

	if (r < 0) {
		error_set(why, r, "read the shadow entry of %s: %s", name, strerror(-r));
		return LOGIN_TEMPORARY;
	}
	if (r == 0) {
		error_set(why, 0, "no password in shadow");
		return LOGIN_WRONG;
	}
	return q.expired ? LOGIN_DISABLED : LOGIN_RIGHT;
}

/* ---- PAM ---- */

struct pam_question {
	const char *name, *client;
	char *password;
	int step; /* 0: who is it, 1: may the account be used */
	struct error *why;
};

/* Answers each prompt that hides what is typed with the password; knows no other answers. */
static int pam_converse(int count, const struct pam_message **messages,
			struct pam_response **responses, void *argument)
{
	const struct pam_question *q = argument;
	struct pam_response *all;

	if (count <= 0 || count > PAM_MESSAGES_MAX)
		return PAM_CONV_ERR;
	all = calloc((size_t)count, sizeof(*all));
	if (all == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < count; i++) {
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
			all[i].resp = mem_strdup(q->password);
		else if (messages[i]->msg_style == PAM_PROMPT_ECHO_ON)
			all[i].resp = mem_strdup(q->name);
	}
	*responses = all;
	return PAM_SUCCESS;
}

/* We have our own delay, and a worker thread must not sleep through PAM's. */
static void do_not_delay(int status, unsigned microseconds, void *argument)
{
	(void)status;
	(void)microseconds;
	(void)argument;
}

static int ask_pam(void *argument)
{
	struct pam_question *q = argument;
	struct pam_conv conversation = { .conv = pam_converse, .appdata_ptr = q };
	pam_handle_t *pam = NULL;
	/* The interface wants a data pointer for a function. */
	union {
		void (*function)(int, unsigned, void *);
		const void *data;
	} delay = { .function = do_not_delay };
	int e = pam_start(PAM_SERVICE_NAME, q->name, &conversation, &pam);

	if (e != PAM_SUCCESS)
		return e;
	pam_set_item(pam, PAM_FAIL_DELAY, delay.data);
	if (q->client[0] != '\0')
		pam_set_item(pam, PAM_RHOST, q->client);
	e = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (e == PAM_SUCCESS) {
		q->step = 1;
		e = pam_acct_mgmt(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	}
	if (e != PAM_SUCCESS)
		error_set(q->why, 0, "PAM: %s", pam_strerror(pam, e));
	pam_end(pam, e);
	return e;
}

enum verdict system_pam_check(const char *name, struct view password, const char *client,
			      struct error *why)
{
	struct pam_question q = { .name = name,
				  .client = client,
				  .password = mem_strndup(password.data, password.len),
				  .why = why };
	int e = task_blocking(ask_pam, &q);

	mem_wipe(q.password, password.len);
	free(q.password);
	switch (e) {
	case PAM_SUCCESS:
		return LOGIN_RIGHT;
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
	case PAM_MAXTRIES:
	case PAM_CRED_INSUFFICIENT:
	case PAM_PERM_DENIED:
		return LOGIN_WRONG;
	case PAM_ACCT_EXPIRED:
	case PAM_NEW_AUTHTOK_REQD:
		return q.step == 1 ? LOGIN_DISABLED : LOGIN_WRONG;
	default:
		if (why->text[0] == '\0')
			error_set(why, 0, "PAM cannot be asked (error %d)", e);
		return LOGIN_TEMPORARY;
	}
}
