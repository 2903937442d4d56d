/*
 * posta who: which users are logged in, and from where; with --held, which clients and accounts
 * have to wait before each further check of a password. The programs that know it are asked.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "task/task.h"
#include "tools/instance.h"
#include "tools/json.h"
#include "tools/sessions.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta [-c CONFDIR] who [--json]\n"
	"       posta [-c CONFDIR] who --held [--json]\n"
	"\n"
	"Shows who is logged in by IMAP, POP3 and ManageSieve: user, address, service, since when, "
	"and the "
	"number\n"
	"that the log has for the login. posta kick ends such sessions.\n"
	"\n"
	"--held shows which clients and accounts have failed to log in so often that each further\n"
	"check of a password has to wait, how often, and for how long. An account that is held is\n"
	"not locked: from addresses that have logged in to it before, nobody waits for it.\n"
	"Also shown are logins that have sent too much mail (smtpd_login_message_hour_limit and "
	"kin)\n"
	"and cannot send any more until posta user unlock.\n"
	"--json: one object in a line.\n";

static bool as_json;

static void held_show(const struct msg_anvil_held *m)
{
	const char *kind = m->is_account ? "account" : "address";
	struct json json = JSON_START;

	if (!as_json) {
		printf("%-8s %-40.*s %8u %6u.%us\n", kind, VIEW_ARG(m->name), m->failures,
		       m->wait / 1000, m->wait % 1000 / 100);
		return;
	}
	json_object(&json, NULL);
	json_string(&json, "held", view_of(kind));
	json_string(&json, "name", m->name);
	json_number(&json, "failures", m->failures);
	json_number(&json, "wait", m->wait);
	json_end(&json);
	json_print(&json);
}

/* ---- whose sending is stopped ---- */

static void stopped_show(const struct msg_anvil_sender_stopped *m)
{
	struct json json = JSON_START;

	if (!as_json) {
		printf("%-8s %-40.*s since %lld s: %.*s\n", "sending", VIEW_ARG(m->account),
		       (long long)(clock_wall() - m->since), VIEW_ARG(m->reason));
		return;
	}
	json_object(&json, NULL);
	json_string(&json, "held", VIEW("sending"));
	json_string(&json, "name", m->account);
	json_string(&json, "reason", m->reason);
	json_number(&json, "since", m->since);
	json_end(&json);
	json_print(&json);
}

static int stopped_ask(struct ipc *ipc)
{
	struct message m;
	int r = ipc_send(ipc, anvil_sender_list);

	while (r == 0 && (r = ipc_receive(ipc, &m)) == 0) {
		if (m.type == MSG_done)
			return TOOL_DONE;
		if (m.type != MSG_anvil_sender_stopped)
			return tool_fail("who", "unexpected answer");
		stopped_show(&m.anvil_sender_stopped);
	}
	return tool_fail("who", "anvil: %s", strerror(-r));
}

static int held_ask(struct ipc *ipc)
{
	struct message m;
	int r = ipc_send(ipc, anvil_held_list);

	if (!as_json)
		printf("%-8s %-40s %8s %8s\n", "HELD", "NAME", "FAILURES", "WAIT");
	while (r == 0 && (r = ipc_receive(ipc, &m)) == 0) {
		if (m.type == MSG_done)
			return stopped_ask(ipc);
		if (m.type != MSG_anvil_held)
			return tool_fail("who", "unexpected answer");
		held_show(&m.anvil_held);
	}
	return tool_fail("who", "anvil: %s", strerror(-r));
}

static void who_is_held(void *unused)
{
	_cleanup_(ipc_freep) struct ipc *ipc = instance_connect("private/anvil");

	(void)unused;
	task_quit(ipc != NULL ? held_ask(ipc) : tool_fail("who", "anvil: %s", strerror(errno)));
}

/* ---- who is logged in ---- */

static void session_show(const char *service, const struct msg_session_entry *m)
{
	struct json json = JSON_START;

	if (!as_json) {
		printf("%-40.*s %-24.*s %-5s %8llds  %.*s\n", VIEW_ARG(m->user),
		       VIEW_ARG(m->client_address), service, (long long)(clock_wall() - m->since),
		       VIEW_ARG(m->session));
		return;
	}
	json_object(&json, NULL);
	json_string(&json, "user", m->user);
	json_string(&json, "address", m->client_address);
	json_string(&json, "service", view_of(service));
	json_number(&json, "since", m->since);
	json_string(&json, "session", m->session);
	json_string(&json, "tls", m->secured ? VIEW("yes") : VIEW("no"));
	json_end(&json);
	json_print(&json);
}

static int sessions_ask(const char *service, struct ipc *ipc)
{
	struct message m;
	int r = ipc_send(ipc, session_list);

	while (r == 0 && (r = ipc_receive(ipc, &m)) == 0) {
		if (m.type == MSG_done)
			return TOOL_DONE;
		if (m.type != MSG_session_entry)
			return tool_fail("who", "unexpected answer");
		session_show(service, &m.session_entry);
	}
	return tool_fail("who", "%s: %s", service, strerror(-r));
}

static void who_is_logged_in(void *unused)
{
	int status = TOOL_DONE, asked = 0;

	(void)unused;
	if (!as_json)
		printf("%-40s %-24s %-5s %9s  %s\n", "USER", "ADDRESS", "BY", "SINCE", "SESSION");
	for (size_t i = 0; i < ARRAY_SIZE(session_services) && status == TOOL_DONE; i++) {
		_cleanup_(ipc_freep) struct ipc *ipc = instance_connect(session_services[i].socket);

		if (ipc == NULL)
			continue; /* a suite without that service */
		asked++;
		status = sessions_ask(session_services[i].name, ipc);
	}
	task_quit(asked > 0 ? status : tool_fail("who", "not running"));
}

int verb_who(int argc, char **argv)
{
	bool held = false;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--held") == 0)
			held = true;
		else if (strcmp(argv[i], "--json") == 0)
			as_json = true;
		else
			return tool_usage("who", "%s is not understood", argv[i]);
	}
	if (!instance_find("who"))
		return TOOL_NO;
	return task_run(held ? who_is_held : who_is_logged_in, NULL);
}
