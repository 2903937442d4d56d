/*
 * filter: speaks with other people's servers that judge clients and mail, so that no other program
 * reads what those say. It holds no secret and decides nothing.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "endpoint.h"
#include "milter.h"
#include "policy.h"
#include "services/clients.h"
#include "services/configured.h"

static int answer_policy(struct ipc *ipc, const struct msg_policy_ask *question)
{
	_cleanup_(str_free) struct str action = STR_EMPTY, server = STR_EMPTY,
				       attributes = STR_EMPTY;
	struct msg_policy_ask copy = *question;

	/* Asking waits; the message is valid until the connection is used again. */
	str_append(&server, question->server);
	str_append(&attributes, question->attributes);
	copy.server = str_view(&server);
	copy.attributes = str_view(&attributes);

	bool ok = policy_server_ask(&copy, &action) == 0;

	return ipc_send(ipc, policy_answered, .answered = ok,
			.action = ok ? str_view(&action) : VIEW_NONE);
}

/* "host:port" is "inet:host:port" where smtpd_proxy_filter names it. */
static int open_endpoint(struct ipc *ipc, const struct msg_endpoint_open *m)
{
	_cleanup_(str_free) struct str endpoint = STR_EMPTY;
	msec_t deadline = clock_after((msec_t)m->timeout);
	int fd = -EACCES, r;

	if (!endpoint_is_configured(m->endpoint)) {
		log_warning("%.*s: the configuration does not name it", VIEW_ARG(m->endpoint));
	} else {
		if (!view_starts(m->endpoint, VIEW("inet:")) &&
		    !view_starts(m->endpoint, VIEW("unix:")))
			str_append(&endpoint, VIEW("inet:"));
		str_append(&endpoint, m->endpoint);
		fd = service_endpoint_connect(str_view(&endpoint), deadline);
		if (fd < 0)
			log_warning("connect to %s: %s", str_cstr(&endpoint), strerror(-fd));
	}
	r = ipc_send(ipc, endpoint_opened, .connection = fd >= 0 ? fd : -1);
	mem_closep(&fd);
	return r;
}

static void filter_serve(struct ipc *ipc)
{
	struct message m;

	while (ipc_next_request(ipc, &m) == 0) {
		if (m.type == MSG_milter_begin) {
			milters_serve(ipc);
			return;
		}
		if (m.type == MSG_endpoint_open) {
			if (open_endpoint(ipc, &m.endpoint_open) < 0 || ipc_flush(ipc) < 0)
				return;
			continue;
		}
		if (m.type != MSG_policy_ask) {
			log_warning("a client sent %s, which is no question", message_name(m.type));
			message_close_fd(&m);
			return;
		}
		if (answer_policy(ipc, &m.policy_ask) < 0 || ipc_flush(ipc) < 0)
			return;
	}
}

static int filter_prepare(struct error *err)
{
	return configured_load(err);
}

static const struct daemon_program program = {
	.name = "filter",
	.prepare = filter_prepare,
	.serve_ipc = filter_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
