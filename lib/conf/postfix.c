/*
 * A site whose settings were written for Postfix: they mean here what they mean there. It is known
 * by its master.cf, which has programs that only Postfix has and none that only we have.
 */
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/state.h"

#define THEIR_QUEUE "/var/spool/postfix"
#define THEIR_OWNER "postfix"
#define OUR_QUEUE   "/var/spool/posta"

bool services_are_of_postfix(const struct services *services)
{
	static const char *const theirs[] = { "pickup",	 "trivial-rewrite", "tlsmgr", "tlsproxy",
					      "dnsblog", "scache",	    "error",  "discard",
					      "oqmgr",	 "virtual",	    "lmtp",   "postscreen",
					      "qmqpd",	 "nbdb_reindexd" };
	static const char *const ours[] = {
		"auth",		 "resolver",	 "local-deliver",
		"imapd",	 "pop3d",	 "imapd-session",
		"pop3d-session", "managesieved", "managesieved-session"
	};
	bool found = false;

	for (size_t i = 0; i < services->count; i++) {
		const char *program = services->items[i].program;

		for (size_t n = 0; n < ARRAY_SIZE(ours); n++)
			if (strcmp(program, ours[n]) == 0)
				return false;
		for (size_t n = 0; n < ARRAY_SIZE(theirs); n++)
			found = found || strcmp(program, theirs[n]) == 0;
	}
	return found;
}

bool conf_is_of_postfix(void)
{
	return conf_state.of_postfix;
}

bool conf_is_queue_of_postfix(const char *path)
{
	static const char *const folders[] = { "maildrop", "active", "deferred" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_(str_free) struct str folder = STR_EMPTY;

		str_printf(&folder, "%s/%s", path, folders[i]);
		if (access(str_cstr(&folder), F_OK) < 0)
			return false;
	}
	return true;
}

static void set_default(const char *name, const char *value)
{
	const struct conf_setting *setting = conf_setting(name);

	if (setting == NULL)
		conf_set_computed(name, value);
}

void conf_compute_postfix(void)
{
	if (!conf_state.of_postfix)
		return;
	set_default("compatibility_level", "0");
	set_default("queue_directory", THEIR_QUEUE);
	set_default("smtpd_tls_auth_only", "no");
	set_default("disable_plaintext_auth", "no");
	set_default("mail_spool_directory", "/var/mail");
}

/* Beside theirs, which stays as it is. */
static void use_own_queue(void)
{
	struct str path = STR_EMPTY;

	if (strcmp(param.queue_directory, THEIR_QUEUE) == 0) {
		str_append_cstr(&path, OUR_QUEUE);
	} else if (conf_is_queue_of_postfix(param.queue_directory)) {
		str_printf(&path, "%s-posta", param.queue_directory);
	} else {
		return;
	}
	conf_state.own_queue = str_take(&path);
	param.queue_directory = conf_state.own_queue;
}

/* A folder with Postfix's programs, or none at all: ours are where they are. */
static void use_own_programs(void)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/resolver", param.daemon_directory);
	if (conf_setting("daemon_directory") != NULL && access(str_cstr(&path), X_OK) < 0)
		param.daemon_directory = "";
}

void conf_adjust_postfix(void)
{
	const char *theirs = conf_setting("mail_owner") != NULL ? param.mail_owner : THEIR_OWNER;

	if (!conf_state.of_postfix)
		return;
	use_own_queue();
	use_own_programs();
	/* Other software lets Postfix in, by its user and the groups that it is in. */
	if (conf_setting("connect_owner") == NULL && getpwnam(theirs) != NULL)
		param.connect_owner = theirs;
	if (strcmp(param.mail_owner, THEIR_OWNER) == 0)
		param.mail_owner = param_find(VIEW("mail_owner"))->value;
}

const char *conf_foreign_directory(void)
{
	return conf_state.of_postfix ? conf_get("queue_directory") : param.queue_directory;
}

bool conf_sasl_is_elsewhere(void)
{
	/* The default is Postfix's, and nobody's word where there are users of ours. */
	if (conf_setting("smtpd_sasl_type") == NULL &&
	    (!conf_state.of_postfix || conf_setting("mailbox_users") != NULL))
		return false;
	return strcmp(param.smtpd_sasl_type, "posta") != 0;
}
