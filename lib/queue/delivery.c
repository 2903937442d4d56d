/*
 * The agents' side of a delivery: what qmgr asks, and what is answered. It reads the queue file
 * and never writes it.
 */
#include "queue/delivery.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "ipc/content.h"
#include "mail/address.h"
#include "mail/outcome.h"
#include "queue/queue.h"
#include "table/table.h"

#define FLUSH_AFTER ((msec_t)100)

/* Two significant digits below ten seconds, as Postfix writes delays. */
static void append_delay(struct str *out, int64_t usec)
{
	double seconds = usec > 0 ? (double)usec / 1e6 : 0;

	if (seconds < 0.01)
		str_append(out, seconds < 0.005 ? VIEW("0") : VIEW("0.01"));
	else
		str_printf(out, seconds < 9.95 ? "%.2g" : "%.0f", seconds);
}

static const char *status_word(const struct delivery_log *line)
{
	if (!line->probe)
		return outcome_word(line->outcome);
	return outcome_kind_is_success(line->outcome) ? "deliverable" : "undeliverable";
}

void delivery_log(const struct delivery_log *line)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int64_t now = clock_wall_usec();
	int64_t started = line->started ? line->started : now;
	int64_t connected = line->connected ? line->connected : now;

	str_append_printable(&text, line->queue_id);
	str_append(&text, VIEW(": to=<"));
	address_show(&text, line->address);
	str_append(&text, VIEW(">, "));
	if (line->original.len > 0 && !view_eq(line->original, line->address)) {
		str_append(&text, VIEW("orig_to=<"));
		address_show(&text, line->original);
		str_append(&text, VIEW(">, "));
	}
	str_append(&text, VIEW("relay="));
	str_append_printable(&text, line->relay.len > 0 ? line->relay : VIEW("none"));
	str_append(&text, VIEW(", delay="));
	append_delay(&text, now - line->arrival);
	str_append(&text, VIEW(", delays="));
	append_delay(&text, line->queued - line->arrival);
	str_append_byte(&text, '/');
	append_delay(&text, started - line->queued);
	str_append_byte(&text, '/');
	append_delay(&text, connected - started);
	str_append_byte(&text, '/');
	append_delay(&text, now - connected);
	str_printf(&text, ", dsn=%s, status=%s (", line->dsn, status_word(line));
	str_append_printable(&text, line->diagnostic);
	str_append_byte(&text, ')');
	log_info("%s", str_cstr(&text));
}

static void count(uint8_t outcome)
{
	if (outcome == OUTCOME_DEFERRED)
		metric_add(METRIC_messages_deferred, 1);
	else if (outcome == OUTCOME_FAILED)
		metric_add(METRIC_messages_bounced, 1);
	else
		metric_add(METRIC_messages_delivered, 1);
}

static void result_send(struct delivery *d, const struct delivery_recipient *r, uint8_t outcome,
			const char *dsn, struct view relay, struct view diagnostic)
{
	ipc_send(d->ipc, result, .index = r->index, .outcome = outcome, .status = view_of(dsn),
		 .remote = view_first(relay, IPC_HOST_MAX), .diagnostic = diagnostic);
	/* So that a crash of this program repeats as few deliveries as possible. */
	if (clock_now() - d->flushed >= FLUSH_AFTER) {
		ipc_flush(d->ipc);
		d->flushed = clock_now();
	}
}

/* ---- delivery status filters ---- */

static struct tables *status_filter;

int delivery_filter_open(const char *parameter, const char *list, struct error *err)
{
	status_filter = tables_open(list, 0, err);
	if (status_filter == NULL)
		error_prefix(err, "%s", parameter);
	return status_filter != NULL ? 0 : -EINVAL;
}

/* "4.2.2 text". What is delivered stays so: nobody is lied to about that. */
static bool filter_take(struct view value, uint8_t *outcome, char *dsn, struct str *text)
{
	bool success = outcome_kind_is_success(*outcome);
	struct view status;

	if (success && outcome_status_take(&value, '2', &status))
		;
	else if (!success && outcome_status_take(&value, '4', &status))
		*outcome = OUTCOME_DEFERRED;
	else if (!success && outcome_status_take(&value, '5', &status))
		*outcome = OUTCOME_FAILED;
	else
		return false;
	snprintf(dsn, IPC_STATUS_MAX, "%.*s", VIEW_ARG(status));
	if (value.len > 0) {
		str_clear(text);
		str_append_printable(text, value);
	}
	return true;
}

/* `text` in and out. */
static void delivery_filter(const struct delivery *d, uint8_t *outcome, char *dsn, struct str *text)
{
	_cleanup_(str_free) struct str key = STR_EMPTY, value = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r;

	if (status_filter == NULL || tables_are_empty(status_filter))
		return;
	str_printf(&key, "%s ", dsn);
	str_append(&key, str_view(text));
	r = tables_lookup(status_filter, str_view(&key), &value, &err);
	if (r < 0)
		log_warning("%s: delivery status filter: %s", str_cstr(&d->queue_id), err.text);
	else if (r > 0 && !filter_take(view_trim(str_view(&value)), outcome, dsn, text))
		log_warning("%s: delivery status filter: \"%s\" cannot take the place of \"%s\"",
			    str_cstr(&d->queue_id), str_cstr(&value), str_cstr(&key));
}

void delivery_result(struct delivery *d, size_t which, uint8_t outcome, const char *status,
		     struct view relay, struct view diagnostic)
{
	struct delivery_recipient *r = &d->recipients[which];
	_cleanup_(str_free) struct str text = STR_EMPTY;
	char dsn[IPC_STATUS_MAX];

	if (which >= d->count || r->has_result)
		return;
	r->has_result = true;
	snprintf(dsn, sizeof(dsn), "%s", status);
	str_append(&text, diagnostic);
	delivery_filter(d, &outcome, dsn, &text);
	if (outcome == OUTCOME_FAILED && param.soft_bounce) {
		outcome = OUTCOME_DEFERRED;
		dsn[0] = '4';
	}
	diagnostic = view_first(str_view(&text), IPC_TEXT_MAX);
	if (!d->probe)
		count(outcome);
	delivery_log(&(struct delivery_log){ .queue_id = str_view(&d->queue_id),
					     .address = str_view(&r->address),
					     .original = str_view(&r->original),
					     .relay = relay,
					     .diagnostic = diagnostic,
					     .dsn = dsn,
					     .outcome = outcome,
					     .probe = d->probe,
					     .arrival = d->arrival,
					     .queued = d->queued,
					     .started = d->started,
					     .connected = d->connected });
	result_send(d, r, outcome, dsn, relay, diagnostic);
}

void delivery_passed(struct delivery *d, size_t which, const struct outcome *outcome)
{
	struct delivery_recipient *r = &d->recipients[which];

	if (which >= d->count || r->has_result)
		return;
	r->has_result = true;
	result_send(d, r, outcome->kind, outcome->status, str_view(&outcome->remote),
		    view_first(str_view(&outcome->text), IPC_TEXT_MAX));
}

void delivery_unreachable(struct delivery *d, struct view reason)
{
	d->unreachable = true;
	str_set(&d->unreachable_reason, view_first(reason, IPC_TEXT_MAX));
}

static void delivery_clear(struct delivery *d)
{
	for (size_t i = 0; i < d->count; i++) {
		str_free(&d->recipients[i].address);
		str_free(&d->recipients[i].original);
		str_free(&d->recipients[i].orcpt);
	}
	free(d->recipients);
	str_free(&d->queue_id);
	str_free(&d->transport);
	str_free(&d->nexthop);
	str_free(&d->sender);
	str_free(&d->envid);
	str_free(&d->client_address);
	str_free(&d->client_name);
	str_free(&d->client_helo);
	str_free(&d->client_protocol);
	str_free(&d->login);
	str_free(&d->unreachable_reason);
	str_free(&d->bytes);
	io_source_close(&d->content);
}

/* Takes over what the message holds; the views in it end with the next receive. */
static int take_request(struct delivery *d, struct message *m)
{
	if (CONTENT_TAKEN(&m->deliver, &d->content) < 0 ||
	    !queue_id_is_valid(m->deliver.queue_id) || m->deliver.count == 0 ||
	    m->deliver.count > DELIVERY_RECIPIENTS_MAX)
		return -EBADMSG;
	if (d->content.bytes != NULL) {
		str_set(&d->bytes, m->deliver.content);
		d->content.bytes = str_cstr(&d->bytes);
	}
	str_set(&d->queue_id, m->deliver.queue_id);
	str_set(&d->transport, m->deliver.transport);
	str_set(&d->nexthop, m->deliver.nexthop);
	str_set(&d->sender, m->deliver.sender);
	str_set(&d->envid, m->deliver.envid);
	str_set(&d->client_address, m->deliver.client_address);
	str_set(&d->client_name, m->deliver.client_name);
	str_set(&d->client_helo, m->deliver.client_helo);
	str_set(&d->client_protocol, m->deliver.client_protocol);
	str_set(&d->login, m->deliver.login);
	d->flags = m->deliver.flags;
	d->probe = (d->flags & MAIL_FLAG_PROBE) != 0;
	d->body = m->deliver.body;
	d->ret = m->deliver.ret;
	d->arrival = m->deliver.arrival;
	d->queued = m->deliver.queued;
	d->released = m->deliver.released;
	d->sent_on = m->deliver.sent_on;
	d->again = m->deliver.again;
	d->started = clock_wall_usec();
	d->flushed = clock_now();
	size_t expected = m->deliver.count;

	d->recipients = mem_new_array(struct delivery_recipient, expected);
	while (d->count < expected) {
		struct delivery_recipient *r = &d->recipients[d->count];
		int e = ipc_expect(d->ipc, MSG_deliver_rcpt, m);

		if (e < 0)
			return e;
		d->count++;
		r->index = m->deliver_rcpt.index;
		r->notify = m->deliver_rcpt.notify;
		str_set(&r->address, m->deliver_rcpt.address);
		str_set(&r->original, m->deliver_rcpt.original);
		str_set(&r->orcpt, m->deliver_rcpt.orcpt);
	}
	return 0;
}

static int delivery_answer(struct delivery *d)
{
	for (size_t i = 0; i < d->count; i++)
		delivery_result(d, i, OUTCOME_DEFERRED, "4.3.0", VIEW_NONE,
				VIEW("the delivery agent gave no result"));
	ipc_send(d->ipc, deliver_end,
		 .destination = d->unreachable ? DESTINATION_UNREACHABLE : DESTINATION_OK,
		 .reason = str_view(&d->unreachable_reason));
	return ipc_flush(d->ipc);
}

void delivery_serve(struct ipc *ipc, void (*deliver)(struct delivery *))
{
	for (;;) {
		struct delivery d = { .content.file = -1, .ipc = ipc };
		struct message m;
		int r = ipc_next_request(ipc, &m);

		if (r < 0)
			return;
		if (m.type != MSG_deliver) {
			log_warning("unexpected %s from the queue manager", message_name(m.type));
			message_close_fd(&m);
			return;
		}
		r = take_request(&d, &m);
		if (r == 0) {
			deliver(&d);
			r = delivery_answer(&d);
		}
		delivery_clear(&d);
		if (r < 0)
			return;
	}
}
