/* bounce: writes delivery status notifications for qmgr. */
#include "compose.h"
#include "daemon/daemon.h"
#include "template.h"

static const struct daemon_program program = {
	.name = "bounce",
	.prepare = templates_prepare,
	.serve_ipc = bounce_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
