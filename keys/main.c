/* keys: reads the private keys while it may, then only answers. See keys.h. */
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "keys.h"

static int keys_prepare(struct error *err)
{
	return keys_load(conf_directory(), err);
}

/*
 * Connections stay when this program retires, unlike elsewhere: a server with the certificate of
 * before asks on the connection of before for the key that its successor does not have any more.
 */
static void keys_serve_ipc(struct ipc *ipc)
{
	struct message m;

	ipc_set_timeout(ipc, MSEC_FOREVER);
	while (ipc_receive(ipc, &m) == 0)
		if (keys_answer(ipc, &m) < 0)
			break;
}

int main(int argc, char **argv)
{
	static const struct daemon_program program = {
		.name = "keys",
		.prepare = keys_prepare,
		.serve_ipc = keys_serve_ipc,
	};

	return daemon_main(argc, argv, &program);
}
