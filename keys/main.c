/* keys: reads the private keys while it may, then only answers. See keys.h. */
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "keys.h"
#include "task/task.h"

#define RETIRED_TIME 5000 /* in which handshakes that were begun are ended */

static int keys_prepare(struct error *err)
{
	int r = keys_load(conf_directory(), err);

	if (r == 0)
		r = mail_keys_load(err);
	return r < 0 ? r : mac_load(err);
}

/*
 * Connections stay for a while when this program retires, unlike elsewhere: a server with the
 * certificate of before asks on the connection of before for the key that its successor does not
 * have any more.
 */
static void keys_serve_ipc(struct ipc *ipc)
{
	struct message m;

	ipc_set_timeout(ipc, MSEC_FOREVER);
	while (ipc_receive(ipc, &m) == 0)
		if (keys_answer(ipc, &m) < 0)
			break;
}

/*
 * Those of our peers that are replaced with us may still need the key of before for clients that
 * they have; the others have come too early and are to find our successor.
 */
static void keys_end_retired(void *unused)
{
	(void)unused;
	task_sleep(RETIRED_TIME);
	task_shut_down();
}

static void keys_retire(void)
{
	task_spawn("retired", keys_end_retired, NULL);
}

int main(int argc, char **argv)
{
	static const struct daemon_program program = {
		.name = "keys",
		.prepare = keys_prepare,
		.serve_ipc = keys_serve_ipc,
		.retire = keys_retire,
	};

	return daemon_main(argc, argv, &program);
}
