/*
 * Couriers: each has a connection to a delivery agent and carries one delivery after another over
 * it, in a task of its own. An idle one is kept for a while.
 */
#include <errno.h>

#include "attempt.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "ipc/content.h"
#include "mail/outcome.h"
#include "qmgr.h"

#define CONNECT_TIME ((msec_t)10000)
#define IDLE_TIME    ((msec_t)60000)

struct courier {
	struct list link; /* in team.idle */
	struct transport *transport;
	struct ipc *agent;
	bool kept; /* the connection has carried a delivery before */
	struct batch batch;
	bool has_batch;
	struct waitlist woken;
	/* Of the delivery under way. */
	bool no_agent; /* nobody answers at the transport's socket */
	size_t results;
	bool repeated; /* the agent that had it first is gone */
	struct str last_status, last_text;
};
struct team {
	struct list idle;
};

static struct attempt *attempt_of(const struct courier *c)
{
	return c->batch.lot->owner;
}

/* ---- one delivery ---- */

static int connect_agent(struct courier *c)
{
	_cleanup_(str_free) struct str service = STR_EMPTY;

	c->kept = c->agent != NULL;
	c->no_agent = false;
	if (c->agent != NULL)
		return 0;
	str_printf(&service, "private/%s", c->transport->name);
	c->agent = ipc_connect(str_cstr(&service),
			       clock_after(MIN(CONNECT_TIME, param.transport_retry_time)));
	if (c->agent == NULL) {
		int r = -errno;

		log_warning("connect to transport %s: %s", str_cstr(&service), strerror(-r));
		c->no_agent = true;
		return r;
	}
	ipc_cork(c->agent);
	return 0;
}

/* An earlier attempt may have delivered it, and did not come to say so. */
static bool may_be_done(const struct courier *c)
{
	const struct queued *m = attempt_of(c)->message;

	return !m->announced || m->deferred || c->repeated;
}

static int send_request(struct courier *c)
{
	struct attempt *a = attempt_of(c);
	const struct queue_envelope *e = queue_file_envelope(a->file);
	const struct lot *lot = c->batch.lot;
	struct io_source content;
	int r = queue_file_content(a->file, &content);

	if (r < 0)
		return r;
	r = ipc_send(c->agent, deliver, .queue_id = view_of(a->message->id),
		     .transport = view_of(c->transport->name),
		     .nexthop = view_of(lot->destination->nexthop), .sender = e->sender,
		     .envid = e->envid, .client_address = e->client_address,
		     .client_name = e->client_name, .client_helo = e->helo,
		     .client_protocol = e->protocol, .login = e->login, .flags = e->flags,
		     .released = e->held.len > 0, .sent_on = sent_on_is(a, &c->batch),
		     .body = e->body, .ret = e->ret, .arrival = e->arrival, .queued = a->started,
		     .again = may_be_done(c), .count = (uint32_t)c->batch.count,
		     CONTENT_SENT(&content));

	for (size_t i = 0; r == 0 && i < c->batch.count; i++) {
		const struct lot_recipient *to = &lot->recipients[c->batch.first + i];

		r = ipc_send(c->agent, deliver_rcpt, .index = to->index,
			     .address = lot_address(lot, to), .original = lot_original(lot, to),
			     .orcpt = lot_orcpt(lot, to), .notify = to->notify);
	}
	return r;
}

/* The recipients of a lot are in the order of their indexes. */
static struct lot_recipient *find_recipient(const struct batch *batch, uint32_t index)
{
	size_t low = batch->first, high = batch->first + batch->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct lot_recipient *r = &batch->lot->recipients[middle];

		if (r->index == index)
			return r;
		if (r->index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int courier_take_result(struct courier *c, const struct msg_result *result)
{
	struct lot_recipient *r = find_recipient(&c->batch, result->index);
	static const char *const otherwise[] = {
		['2'] = "2.0.0", ['4'] = "4.0.0", ['5'] = "5.0.0"
	};

	if (r == NULL || r->outcome != OUTCOME_PENDING || result->outcome == OUTCOME_PENDING ||
	    result->outcome > OUTCOME_EXPANDED)
		return -EBADMSG;
	struct queue_reason reason = {
		.status = outcome_status_is_valid(result->status, result->outcome)
				  ? result->status
				  : view_of(otherwise[(int)outcome_kind_class(result->outcome)]),
		.remote = result->remote,
		.diagnostic = result->diagnostic,
	};

	c->results++;
	str_set(&c->last_status, reason.status);
	str_set(&c->last_text, reason.diagnostic);
	attempt_result(attempt_of(c), c->batch.lot, r, result->outcome, &reason);
	return 0;
}

/* How the delivery ended, or a negative errno: the agent failed us. */
static int take_answers(struct courier *c)
{
	struct message m;

	for (;;) {
		int r = ipc_receive(c->agent, &m);

		if (r < 0)
			return r;
		if (m.type == MSG_deliver_end) {
			if (m.deliver_end.reason.len > 0)
				str_set(&c->last_text, m.deliver_end.reason);
			return m.deliver_end.destination == DESTINATION_UNREACHABLE
				       ? SCHEDULE_UNREACHABLE
				       : SCHEDULE_REACHED;
		}
		r = m.type == MSG_result ? courier_take_result(c, &m.result) : -EBADMSG;
		message_close_fd(&m);
		if (r < 0)
			return r;
	}
}

/* A kept connection may have been closed by an agent that was replaced: once more then. */
static int courier_exchange(struct courier *c)
{
	for (c->repeated = false;; c->repeated = true) {
		int r = connect_agent(c);

		if (r < 0)
			return r;
		c->results = 0;
		r = send_request(c);
		if (r == 0 || r == -EPIPE || r == -ECONNRESET)
			r = take_answers(c);
		if (r >= 0)
			return r;
		ipc_free(TAKE(c->agent));
		if (!c->kept || c->results > 0 || r == -EBADMSG || r == -ETIMEDOUT) {
			log_warning("transport %s: delivery agent failed: %s", c->transport->name,
				    strerror(-r));
			return r;
		}
	}
}

/* ---- what follows from it ---- */

/* All that waits at the destination, because it or its transport is dead; releases it. */
static void courier_defer_destination(struct destination *d, struct view status, struct view reason)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, code = STR_EMPTY;
	struct lot *lot;

	/* Copies: they may belong to the destination. */
	str_append(&code, status);
	str_append(&text, reason);
	while ((lot = LIST_FIRST(&d->lots, struct lot, link)) != NULL) {
		struct attempt *a = lot->owner;

		attempt_withdraw_lot(a, lot,
				     &(struct queue_reason){ .status = str_view(&code),
							     .diagnostic = str_view(&text) });
		attempt_continue(a);
	}
	work_unpark(d);
	schedule_release(qmgr.schedule, d);
}

static void defer_of_transport(struct destination *d, void *argument)
{
	struct transport *t = argument;

	if (d->transport == t)
		courier_defer_destination(d, VIEW("4.3.0"), str_view(&t->reason));
}

static void transport_died(struct transport *t)
{
	t->dead_until = clock_after(param.transport_retry_time);
	str_set(&t->reason, VIEW("mail transport unavailable"));
	schedule_each_destination(qmgr.schedule, defer_of_transport, t);
}

static void destination_died(struct courier *c, struct destination *d)
{
	str_set(&d->status, c->last_status.len > 0 && c->last_status.data[0] == '4'
				    ? str_view(&c->last_status)
				    : VIEW("4.4.1"));
	str_clear(&d->reason);
	str_append(&d->reason, VIEW("delivery temporarily suspended: "));
	str_append(&d->reason, str_view(&c->last_text));
	courier_defer_destination(d, str_view(&d->status), str_view(&d->reason));
}

/* ---- pauses between deliveries (destination_rate_delay, transport_rate_delay) ---- */

static void rest_destination(void *argument)
{
	struct destination *d = argument;
	struct transport *t = d->transport;

	(void)task_pause(conf_get_time_for(t->name, "destination_rate_delay", 0));
	schedule_rested(d);
	d->keepers--;
	schedule_release(qmgr.schedule, d);
	courier_dispatch(t);
}

static void rest_transport(void *argument)
{
	struct transport *t = argument;

	(void)task_pause(conf_get_time_for(t->name, "transport_rate_delay", 0));
	schedule_transport_rested(t);
	courier_dispatch(t);
}

static void courier_rest(struct destination *d)
{
	if (d->transport->limits.rests) {
		d->keepers++;
		task_spawn("pause of a destination", rest_destination, d);
	}
	if (d->transport->limits.rests_all)
		task_spawn("pause of a transport", rest_transport, d->transport);
}

static void courier_deliver(struct courier *c)
{
	static const struct queue_reason no_agent = { .status = VIEW("4.3.0"),
						      .diagnostic =
							      VIEW("mail transport unavailable") };
	static const struct queue_reason failed = { .status = VIEW("4.3.0"),
						    .diagnostic = VIEW("delivery agent failed") };
	struct destination *d = c->batch.lot->destination;

	str_clear(&c->last_status);
	str_clear(&c->last_text);
	int r = courier_exchange(c);

	d->keepers++;
	bool died = schedule_finish(qmgr.schedule, d,
				    r >= 0 ? (enum schedule_outcome)r : SCHEDULE_UNKNOWN,
				    clock_after(param.minimal_backoff_time));

	courier_rest(d);

	struct attempt *a = attempt_of(c);

	attempt_batch_done(a, &c->batch, c->no_agent ? &no_agent : &failed);
	attempt_continue(a);
	d->keepers--;
	if (died)
		destination_died(c, d);
	else if (c->no_agent)
		transport_died(d->transport);
	else {
		work_unpark(d);
		schedule_release(qmgr.schedule, d);
	}
}

/* ---- the couriers ---- */

static bool may_take(const struct transport *t)
{
	return qmgr.may_start && !qmgr.retiring && t->dead_until <= clock_now();
}

static bool take_batch(struct courier *c)
{
	if (!may_take(c->transport) || !schedule_take(c->transport, &c->batch))
		return false;
	attempt_of(c)->in_flight++;
	c->has_batch = true;
	return true;
}

static void courier_run(void *argument)
{
	struct courier *c = argument;
	struct team *team = c->transport->owner;

	while (c->has_batch) {
		courier_deliver(c);
		c->has_batch = false;
		if (take_batch(c)) {
			courier_dispatch(c->transport);
			continue;
		}
		if (c->agent == NULL || qmgr.retiring)
			break;
		/* The one that worked last is taken first, so that the others can go. */
		list_push_front(&team->idle, &c->link);
		wait_on(&c->woken, clock_after(IDLE_TIME));
		list_remove(&c->link);
	}
	ipc_free(c->agent);
	str_free(&c->last_status);
	str_free(&c->last_text);
	free(c);
}

static struct team *team_of(struct transport *t)
{
	if (t->owner == NULL) {
		struct team *team = mem_new(struct team);

		list_init(&team->idle);
		t->owner = team;
	}
	return t->owner;
}

static void hire(struct transport *t, const struct batch *batch)
{
	struct team *team = team_of(t);
	struct courier *c = LIST_FIRST(&team->idle, struct courier, link);

	if (c != NULL) {
		list_remove(&c->link);
	} else {
		c = mem_new(struct courier);
		c->transport = t;
		list_init(&c->link);
		WAITLIST_INIT(&c->woken);
	}
	c->batch = *batch;
	if (c->agent != NULL)
		wake_one(&c->woken);
	else
		task_spawn("courier", courier_run, c);
	c->has_batch = true;
}

void courier_dispatch(struct transport *t)
{
	struct batch batch;

	while (may_take(t) && schedule_take(t, &batch)) {
		struct attempt *a = batch.lot->owner;

		a->in_flight++;
		hire(t, &batch);
	}
}
