/*
 * smtpd: the SMTP and submission server, and the LMTP server. Reads nothing from disk once it is confined, asks the
 * resolver, anvil and auth over their sockets, and hands messages to cleanup.
 */
#include <errno.h>

#include "conf/conf.h"
#include "daemon/daemon.h"
#include "daemon/upstream.h"
#include "screen.h"
#include "server.h"
#include "services/clients.h"
#include "session.h"

static int smtpd_prepare(struct error *err)
{
	bool screens = param.postscreen_enable;
	const struct upstream_options proxies = {
		.protocol = screens ? param.postscreen_upstream_proxy_protocol
				    : param.smtpd_upstream_proxy_protocol,
		.networks = param.smtpd_upstream_proxy_networks,
		.setting = "smtpd_upstream_proxy_networks",
		.timeout = screens ? param.postscreen_upstream_proxy_timeout
				   : param.smtpd_upstream_proxy_timeout,
	};

	server.service = daemon_service_name();
	if (upstream_open(&proxies, err) < 0 || session_open(err) < 0)
		return -EINVAL;
	return screen_open(err);
}

static void smtpd_serve(struct stream *io, const struct peer *peer)
{
	if (screen_admit(io, peer))
		session_serve(io, peer);
}

static void smtpd_start(void)
{
	if (server.tls != NULL)
		keys_connect();
}

static const struct daemon_program program = {
	.name = "smtpd",
	.prepare = smtpd_prepare,
	.start = smtpd_start,
	.serve_client = smtpd_serve,
	.make_room = spare_end_one,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
