/*
 * status: tells anybody on this system which programs run. It has no rights, and knows only what
 * master tells it; master itself talks to root alone.
 */
#include <errno.h>

#include "base/str.h"
#include "daemon/daemon.h"

/* Of a whole report: more processes than an instance can have. */
#define REPORT_MAX ((size_t)4 << 20)

/* What master said last, packed as it is to be sent: service_state ..., done. */
static struct str report;

static int status_take(struct str *coming, const struct message *m)
{
	int r = ipc_pack_message(coming, MSG_service_state, &m->service_state);

	return r < 0 ? r : coming->len > REPORT_MAX ? -EMSGSIZE : 0;
}

/* service_state ..., done: replaces the report as a whole. */
static int status_hear(struct ipc *ipc, struct message *first)
{
	_cleanup_(str_free) struct str coming = STR_EMPTY;
	struct message m = *first;
	int r = 0;

	while (r == 0 && m.type == MSG_service_state) {
		r = status_take(&coming, &m);
		if (r == 0)
			r = ipc_receive(ipc, &m);
	}
	if (r == 0 && m.type != MSG_done)
		r = -EBADMSG;
	if (r < 0)
		return r;
	(void)ipc_pack(&coming, done);
	str_set(&report, str_view(&coming));
	r = ipc_send(ipc, done);
	return r < 0 ? r : ipc_flush(ipc);
}

/* A copy: another report may come while this one is sent. */
static int status_tell(struct ipc *ipc)
{
	_cleanup_(str_free) struct str bytes = STR_EMPTY;

	str_set(&bytes, str_view(&report));
	if (bytes.len == 0)
		(void)ipc_pack(&bytes, verdict, .code = 451, .status = VIEW("4.3.2"),
			       .text = VIEW("master has not said yet what runs"));
	return ipc_send_bytes(ipc, str_view(&bytes));
}

static void status_serve(struct ipc *ipc)
{
	struct message m;
	int r = 0;

	/* Who may say which of them stands in programs.def. */
	while (r == 0 && ipc_next_request(ipc, &m) == 0)
		r = m.type == MSG_master_status ? status_tell(ipc) : status_hear(ipc, &m);
}

static const struct daemon_program program = {
	.name = "status",
	.serve_ipc = status_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
