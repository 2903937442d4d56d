/*
 * pipe: delivers to the command that its line in master.cf has, in Postfix's form. It decides
 * whether the message may go there at all; local-deliver, which reads the same line itself, runs
 * the command as the user that stands in it.
 */
#include <errno.h>

#include "base/mem.h"
#include "conf/commands.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "ipc/content.h"
#include "queue/delivery.h"

#define IDLE_MAX     64
#define CONNECT_TIME ((msec_t)30 * 1000)
/* Waiting for a place, writing the message, ending what does not end. */
#define BEYOND_COMMAND ((msec_t)300 * 1000)
/* Of the recipients' addresses in one command; more of them are another one. */
#define RECIPIENTS_SIZE_MAX ((size_t)32768)

static struct {
	struct service_command command;
	struct ipc_pool *connections;
} self;

static int pipe_prepare(struct error *err)
{
	int r = service_command_parse("pipe", daemon_arguments(), &self.command, err);
	msec_t limit =
		conf_get_time_for(daemon_service_name(), "time_limit", param.command_time_limit);

	if (r == 0)
		r = delivery_filter_open("pipe_delivery_status_filter",
					 param.pipe_delivery_status_filter, err);
	self.connections = ipc_pool_new("private/local-deliver", IDLE_MAX);
	ipc_pool_set_timeout(self.connections, limit > 0 ? limit + BEYOND_COMMAND : MSEC_FOREVER);
	return r;
}

/* ---- what speaks against it ---- */

/* D and O put in front what one recipient alone has. */
static bool has_too_many(const struct delivery *d, struct outcome *outcome)
{
	if (d->count == 1 || !(self.command.flags & (PIPE_DELIVERED | PIPE_ORIGINAL)))
		return false;
	outcome_set(outcome, OUTCOME_DEFERRED, "4.3.5", str_view(&d->transport),
		    "mail system configuration error: the flags D and O of %s need "
		    "%s_destination_recipient_limit = 1",
		    daemon_service_name(), daemon_service_name());
	return true;
}

static bool is_too_large(const struct delivery *d, struct outcome *outcome)
{
	if (self.command.size == 0 || d->content.size <= self.command.size)
		return false;
	outcome_set(outcome, OUTCOME_FAILED, "5.2.3", str_view(&d->transport),
		    "message size %llu exceeds size limit %llu of service %s",
		    (unsigned long long)d->content.size, (unsigned long long)self.command.size,
		    daemon_service_name());
	return true;
}

static bool is_loop(const struct delivery *d, struct outcome *outcome)
{
	struct view address = str_view(&d->recipients[0].address);
	int r = self.command.flags & PIPE_DELIVERED ? delivery_is_loop(d, address) : 0;

	if (r < 0)
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", str_view(&d->transport),
			    "cannot read the message: %s", strerror(-r));
	else if (r == 1)
		outcome_set(outcome, OUTCOME_FAILED, "5.4.6", str_view(&d->transport),
			    "mail forwarding loop for %.*s", VIEW_ARG(address));
	return r != 0;
}

/* Whom the command would take nobody knows: it would be run. */
static bool is_probe(const struct delivery *d, struct outcome *outcome)
{
	if (d->probe)
		outcome_set(outcome, OUTCOME_DELIVERED, "2.0.0", str_view(&d->transport),
			    "delivers to the command of %s", daemon_service_name());
	return d->probe;
}

/* ---- running it ---- */

/* Without X the command only takes it on, as far as success reports are concerned. */
static void pipe_succeed(struct view said, struct outcome *outcome)
{
	bool is_final = self.command.flags & PIPE_FINAL;
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_append(&text, said);
	outcome_set(outcome, is_final ? OUTCOME_DELIVERED : OUTCOME_RELAYED, "2.0.0",
		    view_of(daemon_service_name()), "delivered via %s service%s%s%s",
		    daemon_service_name(), text.len > 0 ? " (" : "", str_cstr(&text),
		    text.len > 0 ? ")" : "");
}

static void pipe_take_result(const struct msg_result *m, struct outcome *outcome)
{
	_cleanup_(str_free) struct str status = STR_EMPTY;

	if (m->outcome == OUTCOME_DELIVERED) {
		pipe_succeed(m->diagnostic, outcome);
		return;
	}
	str_append(&status, m->status);
	outcome_set(outcome, m->outcome == OUTCOME_FAILED ? OUTCOME_FAILED : OUTCOME_DEFERRED,
		    outcome_status_is_valid(m->status, m->outcome) ? str_cstr(&status) : "4.3.0",
		    view_of(daemon_service_name()), "%.*s", VIEW_ARG(m->diagnostic));
}

/* The recipients from `first` on, as many as fit; returns the next. */
static size_t pipe_run(const struct delivery *d, size_t first, struct outcome *outcome)
{
	_cleanup_(str_free) struct str recipients = STR_EMPTY;
	size_t next = first;
	struct message m;
	struct ipc *ipc;
	int r;

	do {
		str_append(&recipients, str_view(&d->recipients[next].address));
		str_append_byte(&recipients, '\0');
		str_append(&recipients, str_view(&d->recipients[next].original));
		str_append_byte(&recipients, '\0');
		next++;
	} while (next < d->count && recipients.len < RECIPIENTS_SIZE_MAX);
	r = ipc_exchange(
		self.connections, clock_after(CONNECT_TIME), &ipc, &m, pipe_deliver,
		.queue_id = str_view(&d->queue_id), .service = view_of(daemon_service_name()),
		.nexthop = str_view(&d->nexthop), .sender = str_view(&d->sender),
		.envid = str_view(&d->envid), .client_address = str_view(&d->client_address),
		.client_name = str_view(&d->client_name), .client_helo = str_view(&d->client_helo),
		.client_protocol = str_view(&d->client_protocol), .login = str_view(&d->login),
		.recipients = str_view(&recipients), CONTENT_SENT(&d->content));
	if (r == 0 && m.type == MSG_result) {
		pipe_take_result(&m.result, outcome);
	} else {
		if (r == 0)
			message_close_fd(&m);
		r = r == 0 ? -EBADMSG : r;
		outcome_set(outcome, OUTCOME_DEFERRED, "4.3.0", str_view(&d->transport),
			    "local-deliver does not answer: %s", strerror(-r));
	}
	ipc_pool_put(self.connections, ipc, r == 0);
	return next;
}

static void pipe_deliver_message(struct delivery *d)
{
	_cleanup_(outcome_free) struct outcome outcome = OUTCOME_NONE;
	bool may_run = !is_probe(d, &outcome) && !has_too_many(d, &outcome) &&
		       !is_too_large(d, &outcome) && !is_loop(d, &outcome);
	size_t next = 0;

	d->connected = clock_wall_usec();
	for (size_t i = 0; i < d->count; i++) {
		if (may_run && i == next)
			next = pipe_run(d, i, &outcome);
		delivery_outcome(d, i, &outcome);
	}
}

static void pipe_serve(struct ipc *ipc)
{
	delivery_serve(ipc, pipe_deliver_message);
}

static const struct daemon_program program = {
	.name = "pipe",
	.prepare = pipe_prepare,
	.serve_ipc = pipe_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
