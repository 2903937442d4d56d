/* Asks anvil to let a user send again. Knows nothing of the users' file. */
#include "tools/user_sending.h"

#include <errno.h>

#include "base/mem.h"
#include "ipc/ipc.h"
#include "task/task.h"
#include "tools/instance.h"

static void sender_release_task(void *argument)
{
	const struct view *account = argument;
	_cleanup_(ipc_freep) struct ipc *ipc = instance_connect("private/anvil");
	struct message m;
	int r = ipc != NULL ? ipc_send(ipc, anvil_sender_release, .account = *account) : -errno;

	if (r == 0)
		r = ipc_expect(ipc, MSG_anvil_sender, &m);
	task_quit(r < 0 ? r : m.anvil_sender.state == ANVIL_SENDER_STOPPED);
}

int user_release_sender(struct view account)
{
	return account.len <= IPC_ADDRESS_MAX ? task_run(sender_release_task, &account) : 0;
}
