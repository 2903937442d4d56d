#include "local.h"

#include <string.h>

#include "daemon/daemon.h"

/* "virtual" in master.cf is for mailbox users; any other name is for this system's users. */
static bool is_virtual;

static int prepare(struct error *err)
{
	is_virtual = strcmp(daemon_service_name(), "virtual") == 0;
	return is_virtual ? 0 : expand_prepare(err);
}

static void deliver_message(struct delivery *d)
{
	for (size_t i = 0; i < d->count; i++)
		recipient_deliver(d, i, is_virtual);
}

static void serve(struct ipc *ipc)
{
	delivery_serve(ipc, deliver_message);
}

static const struct daemon_program program = {
	.name = "local",
	.user = DAEMON_NET,
	.root = DAEMON_ROOT_EMPTY,
	.prepare = prepare,
	.serve_ipc = serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
