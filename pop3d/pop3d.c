/*
 * pop3d: the network side of POP3: the AUTHORIZATION state of RFC 1939. After the login the
 * connection goes to pop3d-session, which says the "+OK".
 */
#include "login.h"

static int pop3d_prepare(struct error *err)
{
	return login_prepare(&pop3_login_protocol, err);
}

static const struct daemon_program program = {
	.name = "pop3d",
	.prepare = pop3d_prepare,
	.start = login_start,
	.serve_client = pop3_login_serve,
	.make_room = spare_end_one,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
