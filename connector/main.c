/*
 * connector: connects to UNIX sockets of other software for programs that cannot reach them: they see
 * no files, and are not the user that the software lets in. It reads and writes nothing there, and
 * connects to what the configuration names only, whoever asks.
 */
#include <errno.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "services/clients.h"
#include "services/configured.h"
#include "task/stream.h"

#define CONNECT_TIME ((msec_t)30000) /* the server's queue may be full */

static int connector_connect(struct ipc *ipc, struct view path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!configured_names_socket(path)) {
		ipc_log_refusal(ipc, "ask for a socket that neither main.cf, master.cf nor "
				     "foreign_sockets name");
		return -EPERM;
	}
	if (path.len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path.data, path.len);
	return stream_connect((const struct sockaddr *)&address, sizeof(address), NULL, 0,
			      clock_after(CONNECT_TIME));
}

static int connector_answer(struct ipc *ipc, const struct msg_socket_ask *question)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int fd, r;

	str_append(&path, question->path);
	fd = connector_connect(ipc, str_view(&path));
	r = ipc_send(ipc, socket_given, .failure = fd < 0 ? (uint32_t)-fd : 0,
		     .connection = fd < 0 ? 0 : fd);
	if (fd >= 0)
		close(fd);
	return r;
}

static void connector_serve(struct ipc *ipc)
{
	struct message m;

	while (ipc_next_request(ipc, &m) == 0) {
		if (m.type != MSG_socket_ask) {
			log_warning("a client sent %s, which is no question", message_name(m.type));
			message_close_fd(&m);
			return;
		}
		if (connector_answer(ipc, &m.socket_ask) < 0 || ipc_flush(ipc) < 0)
			return;
	}
}

static const struct daemon_program program = {
	.name = "connector",
	.prepare = configured_load,
	.serve_ipc = connector_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
