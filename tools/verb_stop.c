/* posta stop: stops the instance in good order. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/instance.h"
#include "tools/tool.h"

/* Longer than all of master's own limits together at their defaults. */
#define STOP_TIME 120000

static const char help[] =
	"usage: posta [-c CONFDIR] stop\n"
	"\n"
	"Stops the instance and returns when it has ended: clients are told, "
	"deliveries under way get\n"
	"service_stop_time to finish; what is queued waits for the next start.\n";

static int stop_talk(struct ipc *ipc)
{
	struct message m;
	int r = ipc_send(ipc, master_stop);

	ipc_set_timeout(ipc, STOP_TIME);
	if (r == 0)
		r = ipc_receive(ipc, &m);
	if (r == 0 && m.type == MSG_verdict)
		return tool_fail("stop", "%.*s", VIEW_ARG(m.verdict.text));
	/* master holds the connection until its last moment. */
	if (r == 0)
		r = ipc_receive(ipc, &m);
	if (r == -ENODATA || r == -ECONNRESET)
		return TOOL_DONE;
	return tool_fail("stop", "master: %s", strerror(-r));
}

int verb_stop(int argc, char **argv)
{
	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	if (argc > 1)
		return tool_usage("stop", "%s is not understood", argv[1]);
	return instance_ask("stop", stop_talk);
}
