/*
 * pop3d: the network side of POP3: the AUTHORIZATION state of RFC 1939. After the login the
 * connection goes to pop3d-session, which says the "+OK".
 */
#include "login.h"

#include <errno.h>

#include "conf/conf.h"
#include "daemon/upstream.h"

static int pop3d_prepare(struct error *err)
{
	const struct upstream_options proxies = {
		.protocol = param.pop3d_upstream_proxy_protocol,
		.networks = param.pop3d_upstream_proxy_networks,
		.setting = "pop3d_upstream_proxy_networks",
		.timeout = param.pop3d_upstream_proxy_timeout,
	};

	return upstream_open(&proxies, err) < 0 ? -EINVAL
						: login_prepare(&pop3_login_protocol, err);
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
