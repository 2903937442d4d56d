/*
 * imapd: the network side of IMAP: greeting, TLS, login (RFC 3501 states "not authenticated" and
 * what is allowed in any state). After the login the connection goes to imapd-session.
 */
#include "keeper.h"
#include "login.h"

#include <errno.h>

#include "conf/conf.h"
#include "daemon/upstream.h"

static int imapd_prepare(struct error *err)
{
	const struct upstream_options proxies = {
		.protocol = param.imapd_upstream_proxy_protocol,
		.networks = param.imapd_upstream_proxy_networks,
		.setting = "imapd_upstream_proxy_networks",
		.timeout = param.imapd_upstream_proxy_timeout,
	};

	return upstream_open(&proxies, err) < 0 ? -EINVAL
						: login_prepare(&imap_login_protocol, err);
}

static void imapd_start(void)
{
	login_start();
	keeper_start();
}

static const struct daemon_program program = {
	.name = "imapd",
	.prepare = imapd_prepare,
	.start = imapd_start,
	.serve_client = imap_login_serve,
	.make_room = spare_end_one,
	.retire = keeper_retire,
	.keeps_files = true,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
