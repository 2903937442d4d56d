/*
 * spawn: a command for each connection, in Postfix's form, for policy servers and the like. It only
 * accepts; local-deliver, which reads the line in master.cf itself, runs the command as the user
 * that stands in it, with the connection as its input and output.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/commands.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "ipc/ipc.h"

#define IDLE_MAX     16
#define CONNECT_TIME ((msec_t)30 * 1000)

static struct {
	struct service_command command;
	struct ipc_pool *connections;
} self;

static int spawn_prepare(struct error *err)
{
	self.connections = ipc_pool_new("private/local-deliver", IDLE_MAX);
	/* How long a command may run is local-deliver's affair. */
	ipc_pool_set_timeout(self.connections, MSEC_FOREVER);
	return service_command_parse("spawn", daemon_arguments(), &self.command, err);
}

static void spawn_serve(struct stream *io, const struct peer *peer)
{
	_cleanup_fd_ int connection = stream_detach(io);
	struct message m;
	struct ipc *ipc;
	int r = connection < 0 ? connection : 0;

	if (r == 0)
		r = ipc_exchange(self.connections, clock_after(CONNECT_TIME), &ipc, &m,
				 spawn_command, .service = view_of(daemon_service_name()),
				 .inet = peer->address.ss_family != AF_UNIX,
				 .connection = connection);
	if (r < 0) {
		log_warning("the command cannot be run: local-deliver does not answer: %s",
			    strerror(-r));
		return;
	}
	if (m.type == MSG_verdict)
		log_warning("the command: %.*s", VIEW_ARG(m.verdict.text));
	else if (m.type != MSG_done)
		r = -EBADMSG;
	message_close_fd(&m);
	ipc_pool_put(self.connections, ipc, r == 0);
}

static const struct daemon_program program = {
	.name = "spawn",
	.prepare = spawn_prepare,
	.serve_client = spawn_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
