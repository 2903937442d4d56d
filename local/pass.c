/*
 * A recipient handed over to another delivery agent, as qmgr would have: mailbox_transport and
 * fallback_transport. That agent writes the line of the log.
 */
#include <errno.h>

#include "base/mem.h"
#include "daemon/daemon.h"
#include "ipc/content.h"
#include "local.h"

#define CONNECT_TIME ((msec_t)30 * 1000)

static int pass_send(struct ipc *ipc, const struct job *job, struct view transport,
		     struct view nexthop)
{
	const struct delivery *d = job->d;
	const struct delivery_recipient *to = job->recipient;
	int r = ipc_send(
		ipc, deliver, .queue_id = str_view(&d->queue_id), .transport = transport,
		.nexthop = nexthop, .sender = str_view(&d->sender), .envid = str_view(&d->envid),
		.client_address = str_view(&d->client_address),
		.client_name = str_view(&d->client_name), .client_helo = str_view(&d->client_helo),
		.client_protocol = str_view(&d->client_protocol), .login = str_view(&d->login),
		.flags = d->flags, .body = d->body, .ret = d->ret, .arrival = d->arrival,
		.queued = d->queued, .again = d->again, .count = 1, CONTENT_SENT(&d->content));

	if (r == 0)
		r = ipc_send(ipc, deliver_rcpt, .index = to->index,
			     .address = str_view(&to->address), .original = str_view(&to->original),
			     .orcpt = str_view(&to->orcpt), .notify = to->notify);
	return r;
}

static bool is_result(const struct msg_result *m)
{
	return m->outcome > OUTCOME_PENDING && m->outcome <= OUTCOME_EXPANDED && m->status.len > 0;
}

/* Until the end of the exchange: one result is all that is believed. */
static int pass_receive(struct ipc *ipc, struct outcome *outcome)
{
	struct message m;
	int r;

	while ((r = ipc_receive(ipc, &m)) == 0 && m.type == MSG_result) {
		_cleanup_(str_free) struct str status = STR_EMPTY;

		if (outcome_is_set(outcome) || !is_result(&m.result))
			return -EBADMSG;
		str_append(&status, m.result.status);
		outcome_set(outcome, m.result.outcome, str_cstr(&status), m.result.remote, "%.*s",
			    VIEW_ARG(m.result.diagnostic));
	}
	if (r == 0 && m.type != MSG_deliver_end) {
		message_close_fd(&m);
		r = -EBADMSG;
	}
	return r == 0 && !outcome_is_set(outcome) ? -ENODATA : r;
}

void pass_recipient(struct job *job, struct view where, struct outcome *outcome)
{
	_cleanup_(ipc_freep) struct ipc *ipc = NULL;
	_cleanup_(str_free) struct str service = STR_EMPTY;
	size_t colon = view_find_byte(where, ':');
	struct view transport = view_first(where, colon);
	struct view nexthop = colon == VIEW_NOT_FOUND ? VIEW_NONE : view_from(where, colon + 1);
	int r = -EINVAL;

	outcome_free(outcome);
	if (nexthop.len == 0)
		nexthop = str_view(&job->d->nexthop);
	str_printf(&service, "private/%.*s", VIEW_ARG(transport));
	if (!view_is(transport, daemon_service_name()))
		ipc = ipc_connect(str_cstr(&service), clock_after(CONNECT_TIME));
	if (ipc != NULL) {
		ipc_set_timeout(ipc, MSEC_FOREVER); /* how long it takes is that agent's affair */
		r = pass_send(ipc, job, transport, nexthop);
		if (r == 0)
			r = pass_receive(ipc, outcome);
		/* A result that came before the conversation broke is one, and has been logged. */
		job->is_logged = outcome_is_set(outcome);
	}
	if (!outcome_is_set(outcome))
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE,
			    "mail transport unavailable: %.*s%s%s", VIEW_ARG(transport),
			    ipc != NULL ? ": " : "", ipc != NULL ? strerror(-r) : "");
}
