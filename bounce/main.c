/* bounce: writes delivery status notifications for qmgr. */
#include "compose.h"
#include "daemon/daemon.h"

static const struct daemon_program program = {
	.name = "bounce",
	.user = DAEMON_MAIL,
	.root = DAEMON_ROOT_QUEUE,
	.serve_ipc = bounce_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
