/* posta stop: stops the instance in good order. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "conf/conf.h"
#include "daemon/programs.h"
#include "task/task.h"
#include "tools/instance.h"
#include "tools/tool.h"

/* Beside service_stop_time for each wave: longer than all of master's own limits together. */
#define STOP_TIME 60000

static const char help[] =
	"usage: posta [-c CONFDIR] stop\n"
	"\n"
	"Stops the instance and returns when it has ended: clients are told, "
	"deliveries under way get\n"
	"service_stop_time to finish; what is queued waits for the next start.\n";

/* Of the process that listens at the other end: readable when it has ended. -1: not to be had. */
static int master_watch(struct ipc *ipc)
{
	pid_t pid = 0;
	uid_t uid;
	gid_t gid;

	if (ipc_peer(ipc, &pid, &uid, &gid) < 0 || pid <= 0)
		return -1;
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int stop_talk(struct ipc *ipc)
{
	_cleanup_fd_ int master = master_watch(ipc);
	msec_t patience = (msec_t)WAVE_END * param.service_stop_time + STOP_TIME;
	msec_t deadline = clock_after(patience);
	struct message m;
	int r = ipc_send(ipc, master_stop);

	ipc_set_timeout(ipc, patience);
	if (r == 0)
		r = ipc_receive(ipc, &m);
	if (r == 0 && m.type == MSG_verdict)
		return tool_fail("stop", "%.*s", VIEW_ARG(m.verdict.text));
	/* master holds the connection until its last moment; and then it has not quite ended. */
	if (r == 0)
		r = ipc_receive(ipc, &m);
	if (r != -ENODATA && r != -ECONNRESET)
		return tool_fail("stop", "master: %s", strerror(-r));
	if (master >= 0 && task_wait_readable(master, deadline) < 0)
		return tool_fail("stop", "master closed the connection, and still runs");
	return TOOL_DONE;
}

int verb_stop(int argc, char **argv)
{
	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	if (argc > 1)
		return tool_usage("stop", "%s is not understood", argv[1]);
	return instance_ask("stop", stop_talk);
}
