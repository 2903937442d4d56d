/* posta status: the processes that run, and what each is confined to. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tools/json.h"
#include "tools/status.h"
#include "tools/tool.h"

#define STATUS_TIME 30000

void status_complain(struct str *ill, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	str_vprintf(ill, format, args);
	va_end(args);
	str_append_byte(ill, '\n');
}

void status_append_time(struct str *text, int64_t seconds)
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

/* Calls `each` for every process. 0, or a negative errno. */
static int programs_ask(struct ipc *ipc,
			void (*each)(void *argument, const struct msg_service_state *s),
			void *argument)
{
	struct message m;
	int r = ipc_send(ipc, master_status);

	ipc_set_timeout(ipc, STATUS_TIME);
	while (r == 0 && (r = ipc_receive(ipc, &m)) == 0 && m.type == MSG_service_state)
		each(argument, &m.service_state);
	return r < 0 ? r : m.type == MSG_done ? 0 : -EBADMSG;
}

static int programs_status(int r)
{
	return r < 0 ? tool_fail("status", "master: %s", strerror(-r)) : TOOL_DONE;
}

/* ---- all of them ---- */

static void process_show_as_json(void *unused, const struct msg_service_state *s)
{
	struct json json = JSON_START;

	(void)unused;
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

static void process_show(void *unused, const struct msg_service_state *s)
{
	_cleanup_(str_free) struct str uptime = STR_EMPTY;

	(void)unused;
	status_append_time(&uptime, clock_wall() - s->since);
	printf("%-20.*s %-14.*s %7u %7s %3u  %.*s\n", VIEW_ARG(s->service), VIEW_ARG(s->program),
	       s->pid, str_cstr(&uptime), s->restarts, VIEW_ARG(s->confinement));
}

int status_programs_as_table(struct ipc *ipc)
{
	printf("%-20s %-14s %7s %7s %3s  %s\n", "SERVICE", "PROGRAM", "PID", "UPTIME", "RST",
	       "CONFINEMENT");
	return programs_status(programs_ask(ipc, process_show, NULL));
}

int status_programs_as_json(struct ipc *ipc)
{
	return programs_status(programs_ask(ipc, process_show_as_json, NULL));
}

/* ---- the whole, and what is ill ---- */

struct gathering {
	struct status_programs *programs;
	struct str *ill;
	struct str last; /* service: its restarts are told once */
};

static void process_gather(void *argument, const struct msg_service_state *s)
{
	struct gathering *g = argument;

	g->programs->processes++;
	if (view_is(s->program, "master")) {
		g->programs->since = s->since;
		g->programs->pid = s->pid;
	}
	if (view_starts(s->confinement, VIEW("DOES NOT ANSWER")) ||
	    view_starts(s->confinement, VIEW("starting")))
		status_complain(g->ill, "%.*s: process %u of %.*s %s", VIEW_ARG(s->service), s->pid,
				VIEW_ARG(s->program),
				s->confinement.data[0] == 'D' ? "does not answer"
							      : "is not ready yet");
	if (s->restarts > 0 && !view_eq(s->service, str_view(&g->last)))
		status_complain(g->ill, "%.*s: started again %u times after a failure",
				VIEW_ARG(s->service), s->restarts);
	str_set(&g->last, s->service);
}

int status_programs_gather(struct ipc *ipc, struct status_programs *programs, struct str *ill)
{
	struct gathering g = { .programs = programs, .ill = ill };
	int r = programs_ask(ipc, process_gather, &g);

	str_free(&g.last);
	return r;
}
