/* posta status: the programs that run, and what each is confined to. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tools/instance.h"
#include "tools/json.h"
#include "tools/status.h"
#include "tools/tool.h"

#define STATUS_TIME 30000

static const char help[] =
	"usage: posta [-c CONFDIR] status [--json | --metrics]\n"
	"\n"
	"Shows each process: service, program, process id, how long it has run, how often its "
	"service\n"
	"was started again after a failure, and what it is confined to. Status 1 if the instance "
	"does not\n"
	"run. --json: one object in a line.\n"
	"--metrics (for root): what was counted, in the text form that Prometheus reads.\n";

static bool as_json;

static void append_uptime(struct str *text, int64_t seconds)
{
	if (seconds < 60)
		str_printf(text, "%llds", (long long)seconds);
	else if (seconds < 3600)
		str_printf(text, "%lldm", (long long)seconds / 60);
	else if (seconds < 86400)
		str_printf(text, "%lldh%02lldm", (long long)seconds / 3600,
			   (long long)seconds / 60 % 60);
	else
		str_printf(text, "%lldd%02lldh", (long long)seconds / 86400,
			   (long long)seconds / 3600 % 24);
}

static void show_as_json(const struct msg_service_state *s)
{
	struct json json = JSON_START;

	json_object(&json, NULL);
	json_string(&json, "service", s->service);
	json_string(&json, "program", s->program);
	json_number(&json, "pid", s->pid);
	json_number(&json, "since", s->since);
	json_number(&json, "uptime", clock_wall() - s->since);
	json_number(&json, "restarts", s->restarts);
	json_string(&json, "confinement", s->confinement);
	json_end(&json);
	json_print(&json);
}

static void status_show(const struct msg_service_state *s)
{
	_cleanup_(str_free) struct str uptime = STR_EMPTY;

	append_uptime(&uptime, clock_wall() - s->since);
	printf("%-20.*s %-14.*s %7u %7s %3u  %.*s\n", VIEW_ARG(s->service), VIEW_ARG(s->program),
	       s->pid, str_cstr(&uptime), s->restarts, VIEW_ARG(s->confinement));
}

static int status_talk(struct ipc *ipc)
{
	struct message m;
	int r = ipc_send(ipc, master_status);

	ipc_set_timeout(ipc, STATUS_TIME);
	if (!as_json)
		printf("%-20s %-14s %7s %7s %3s  %s\n", "SERVICE", "PROGRAM", "PID", "UPTIME",
		       "RST", "CONFINEMENT");
	while (r == 0 && (r = ipc_receive(ipc, &m)) == 0) {
		if (m.type == MSG_done)
			return TOOL_DONE;
		if (m.type != MSG_service_state)
			return tool_fail("status", "unexpected answer");
		if (as_json)
			show_as_json(&m.service_state);
		else
			status_show(&m.service_state);
	}
	return tool_fail("status", "master: %s", strerror(-r));
}

int verb_status(int argc, char **argv)
{
	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	if (argc == 2 && strcmp(argv[1], "--metrics") == 0)
		return instance_ask("status", status_metrics);
	as_json = argc == 2 && strcmp(argv[1], "--json") == 0;
	if (argc > 1 && !as_json)
		return tool_usage("status", "%s is not understood", argv[1]);
	return instance_ask_status("status", status_talk);
}
