/* posta reload: puts a changed configuration in force. */
#include <stdio.h>
#include <string.h>

#include "tools/instance.h"
#include "tools/tool.h"

#define RELOAD_TIME 120000

static const char help[] =
	"usage: posta [-c CONFDIR] reload\n"
	"\n"
	"Puts changes of main.cf and master.cf in force, and opens the log file anew. Connections "
	"go on\n"
	"with the programs that they have; new ones get new programs. A wrong configuration is "
	"refused\n"
	"(status 1), and the old one stays. Changes of tables and users need no reload.\n";

static int reload_talk(struct ipc *ipc)
{
	struct message m;
	int r = ipc_send(ipc, master_reload);

	ipc_set_timeout(ipc, RELOAD_TIME);
	if (r == 0)
		r = ipc_receive(ipc, &m);
	if (r < 0)
		return tool_fail("reload", "master: %s", strerror(-r));
	if (m.type == MSG_done)
		return TOOL_DONE;
	if (m.type == MSG_verdict)
		fprintf(stderr, "%.*s\n", VIEW_ARG(view_trim(m.verdict.text)));
	return tool_fail("reload", "refused");
}

int verb_reload(int argc, char **argv)
{
	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	if (argc > 1)
		return tool_usage("reload", "%s is not understood", argv[1]);
	return instance_ask("reload", reload_talk);
}
