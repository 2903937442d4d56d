/* posta status: the options. What is told stands in status_brief.c and its kin (status.h). */
#include <stdio.h>
#include <string.h>

#include "task/task.h"
#include "tools/instance.h"
#include "tools/status.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta [-c CONFDIR] status [--long | --json | --metrics]\n"
	"\n"
	"Says in about ten lines how the instance is: version and since when it runs, ports, "
	"queue, "
	"what\n"
	"was done since the start, who is connected and logged in, users, until when the "
	"certificates are\n"
	"good, room on the disk, and what is ill. What only root may know is left out for others. "
	"Status 1\n"
	"if the instance does not run; then it tells what can be read from the disk.\n"
	"\n"
	"--long: each process: service, program, process id, how long it has run, how often its "
	"service\n"
	"was started again after a failure, and what it is confined to.\n"
	"--json: the same, one object in a line.\n"
	"--metrics (for root): what was counted, in the text form that Prometheus reads.\n";

static void status_task(void *unused)
{
	(void)unused;
	task_quit(status_brief());
}

int verb_status(int argc, char **argv)
{
	const char *option = argc == 2 ? argv[1] : "";

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	if (strcmp(option, "--metrics") == 0)
		return instance_ask("status", status_metrics);
	if (strcmp(option, "--json") == 0)
		return instance_ask_status("status", status_programs_as_json);
	if (strcmp(option, "--long") == 0)
		return instance_ask_status("status", status_programs_as_table);
	if (argc > 1)
		return tool_usage("status", "%s is not understood", argv[1]);
	return instance_find("status") ? task_run(status_task, NULL) : TOOL_NO;
}
