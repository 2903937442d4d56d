/*
 * The program that checks passwords. It takes questions on its socket and gives answers; nobody
 * gets a hash from it.
 */
#include "auth.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "elsewhere.h"
#include "lists.h"
#include "uses.h"

static int auth_prepare(struct error *err);
static void auth_start(void);
static void auth_serve(struct ipc *ipc);

static const struct daemon_program program = {
	.name = "auth",
	.prepare = auth_prepare,
	.start = auth_start,
	.serve_ipc = auth_serve,
	.retire = uses_retire,
};

static int auth_prepare(struct error *err)
{
	int r = users_open_passwords(err);

	if (r == 0)
		r = system_prepare(err);
	if (r == 0)
		r = stored_prepare(err);
	if (r == 0)
		r = lists_prepare(err);
	if (r == 0)
		r = master_name_prepare(err);
	if (r == 0)
		r = uses_prepare(err);
	if (r == 0)
		r = exchange_prepare(err);
	if (r == 0)
		r = elsewhere_load(err);
	/* pam_unix runs unix_chkpwd, and modules are loaded when they are needed. */
	if (r == 0 && system_method() == SYSTEM_PAM)
		daemon_add_calls(CALLS_EXEC | CALLS_LOAD_CODE);
	return r;
}

static void auth_start(void)
{
	task_spawn("sweep", uses_sweep, NULL);
}

/*
 * Only who may become the user anyway may turn a cookie into a name: root, or where the suite does
 * not run as root, the one user that it has.
 */
static bool may_redeem(const struct ipc *ipc)
{
	uid_t uid;
	gid_t gid;
	pid_t pid;

	if (ipc_peer(ipc, &pid, &uid, &gid) < 0)
		return false;
	return uid == 0 || (!daemon_running_as_root() && uid == geteuid());
}

static int redeem(struct ipc *ipc, const struct msg_auth_redeem *m)
{
	_cleanup_(str_free) struct str user = STR_EMPTY, session = STR_EMPTY;

	if (!may_redeem(ipc)) {
		log_error("a process that is not privileged tried to redeem a login");
		return -EPERM;
	}
	if (cookie_redeem(m->cookie, m->service, &user, &session) < 0)
		return ipc_send(ipc, auth_failed, .why = AUTH_FAIL_CREDENTIALS,
				.text = VIEW("the login has expired or was used already"));
	return ipc_send(ipc, auth_ok, .user = str_view(&user), .session = str_view(&session));
}

static int auth_list_mechanisms(struct ipc *ipc, const struct msg_auth_mechanisms *m)
{
	_cleanup_(str_free) struct str names = STR_EMPTY;
	struct error err = ERROR_NONE;

	if (exchange_mechanisms(m, &names, &err) < 0) {
		log_warning("%s", err.text);
		return ipc_send(ipc, auth_failed, .why = AUTH_FAIL_TEMPORARY,
				.text = view_of(err.text));
	}
	return ipc_send(ipc, auth_mechanism_list, .names = str_view(&names));
}

static int auth_tell_last_login(struct ipc *ipc, const struct msg_auth_last_login *m)
{
	_cleanup_(use_free) struct use use = { .time = 0 };

	uses_find(m->user, m->app_password, &use);
	return ipc_send(ipc, auth_last_login_is, .time = use.time,
			.service = str_view(&use.service), .address = str_view(&use.address));
}

static int auth_answer(struct ipc *ipc, struct message *m)
{
	switch (m->type) {
	case MSG_auth_begin:
		return exchange_run(ipc, &m->auth_begin);
	case MSG_auth_redeem:
		return redeem(ipc, &m->auth_redeem);
	case MSG_auth_last_login:
		return auth_tell_last_login(ipc, &m->auth_last_login);
	case MSG_auth_mechanisms:
		return auth_list_mechanisms(ipc, &m->auth_mechanisms);
	default:
		log_error("unexpected message %s", message_name(m->type));
		message_close_fd(m);
		return -EBADMSG;
	}
}

static void auth_serve(struct ipc *ipc)
{
	struct message m;

	while (ipc_next_request(ipc, &m) == 0)
		if (auth_answer(ipc, &m) < 0 || ipc_flush(ipc) < 0)
			break;
}

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
