/* managesieved-session: the scripts' side of ManageSieve, one process for each logged-in user. See session.h. */
#include <errno.h>

#include "conf/conf.h"
#include "session.h"
#include "user/user.h"

static void managesieve_connection_refuse(struct stream *io, const struct session_client *client)
{
	(void)client;
	(void)managesieve_answer(io, "BYE", "TRYLATER", VIEW("Too many connections of this user."));
}

static msec_t managesieve_idle_exit(void)
{
	return param.managesieve_session_idle_exit;
}

static int64_t managesieve_connections_max(void)
{
	return param.mail_max_userip_connections;
}

static const struct session_program session_program = {
	.service = "sieve",
	.calls = CALLS_FILES_READ | CALLS_FILES_WRITE,
	.serve = managesieve_session_serve,
	.refuse = managesieve_connection_refuse,
	.idle_exit = managesieve_idle_exit,
	.connections_max = managesieve_connections_max,
};

static int managesieve_program_prepare(struct error *err)
{
	int r = users_open(err);

	return r < 0 ? r : daemon_confine_prepare(session_program.calls, err);
}

static void managesieve_parent_serve_ipc(struct ipc *ipc)
{
	session_serve_ipc(ipc, &session_program);
}

static const struct daemon_program program = {
	.name = "managesieved-session",
	.prepare = managesieve_program_prepare,
	.start = session_start,
	.serve_ipc = managesieve_parent_serve_ipc,
	.retire = session_retire,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
