/*
 * managesieved: the network side of ManageSieve (RFC 5804). After the login the connection goes to
 * managesieved-session, which says the OK.
 */
#include "login.h"

#include <errno.h>

#include "conf/conf.h"
#include "daemon/upstream.h"

static int managesieved_prepare(struct error *err)
{
	const struct upstream_options proxies = {
		.protocol = param.managesieved_upstream_proxy_protocol,
		.networks = param.managesieved_upstream_proxy_networks,
		.setting = "managesieved_upstream_proxy_networks",
		.timeout = param.managesieved_upstream_proxy_timeout,
	};

	return upstream_open(&proxies, err) < 0 ? -EINVAL
						: login_prepare(&managesieve_login_protocol, err);
}

static const struct daemon_program program = {
	.name = "managesieved",
	.prepare = managesieved_prepare,
	.start = login_start,
	.serve_client = managesieve_login_serve,
	.make_room = spare_end_one,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
