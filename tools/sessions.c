/* Ending sessions: by hand (posta kick), and when a user may not log in any more. */
#include "tools/sessions.h"

#include <errno.h>

#include "base/mem.h"
#include "ipc/ipc.h"
#include "task/task.h"
#include "tools/instance.h"

const struct session_service session_services[SESSION_SERVICES] = {
	{ "imap", "private/imapd-session" },
	{ "pop3", "private/pop3d-session" },
	{ "sieve", "private/managesieved-session" },
};

struct kick {
	struct view names;
	int count;
	bool asked;
};

static void sessions_kick_at(struct kick *kick, struct ipc *ipc)
{
	struct view rest = kick->names, name;
	struct message m;

	kick->asked = true;
	while (view_next(&rest, '\n', &name)) {
		if (name.len == 0 || name.len > IPC_ADDRESS_MAX)
			continue;
		if (ipc_send(ipc, session_kick, .who = name) < 0 ||
		    ipc_expect(ipc, MSG_session_kicked, &m) < 0)
			return;
		kick->count += (int)m.session_kicked.count;
	}
}

static void sessions_kick_task(void *argument)
{
	struct kick *kick = argument;

	for (size_t i = 0; i < SESSION_SERVICES; i++) {
		_cleanup_(ipc_freep) struct ipc *ipc = instance_connect(session_services[i].socket);

		if (ipc != NULL)
			sessions_kick_at(kick, ipc);
	}
	task_quit(0);
}

int sessions_kick(struct view names)
{
	struct kick kick = { .names = names };

	task_run(sessions_kick_task, &kick);
	return kick.asked ? kick.count : -ENOTCONN;
}
