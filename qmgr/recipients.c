/* Reading an attempt's recipients: where each goes, and into which lot. */
#include <errno.h>
#include <stdlib.h>

#include "attempt.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/outcome.h"

/* A recipient that goes to a destination, until all of this run are sorted into lots. */
struct sorted {
	struct destination *destination;
	struct lot_recipient recipient;
};
/* A recipient whose route is known (or cannot be: `failure`), with its texts. */
struct routed {
	struct queue_recipient recipient;
	struct str text;
	struct route route;
	int failure;
};
struct reading {
	struct attempt *attempt;
	struct routed *routed;
	size_t routed_count;
	struct sorted *items;
	size_t count;
	struct str text; /* addresses of all of them */
};

/* ---- fates decided here ---- */

static void recipient_route(struct attempt *a, const struct queue_recipient *r, uint8_t outcome,
			    const char *status, struct view text)
{
	attempt_decide(a, r, outcome,
		       &(struct queue_reason){ .status = view_of(status), .diagnostic = text });
}

/* "5.1.1 User unknown": the status in front is optional. */
static struct view recipient_take_status(struct view *text, const char *otherwise)
{
	struct view status = view_of(otherwise);

	outcome_status_take(text, otherwise[0], &status);
	return status;
}

/* Probes and reports of failed reports come from there, and nobody reads what comes back. */
static bool decide_by_probe_sender(struct attempt *a, const struct queue_recipient *r,
				   const struct route *route)
{
	struct view local, domain;

	address_split(str_view(&route->address), &local, &domain);
	if (!route_is_probe_sender(str_view(&route->address), clock_wall()) &&
	    !(route->address_class == CLASS_LOCAL &&
	      view_is_nocase(local, param.double_bounce_sender)))
		return false;
	recipient_route(a, r, OUTCOME_DELIVERED, "2.0.0", VIEW("nobody reads this: discarded"));
	return true;
}

/* The transports error, retry and discard need no program: their next hop says it all. */
static bool decide_by_name(struct attempt *a, const struct queue_recipient *r,
			   const struct route *route)
{
	struct view text = str_view(&route->nexthop), name = str_view(&route->transport);
	struct queue_reason reason = { 0 };
	uint8_t outcome;

	if (view_is(name, "error")) {
		reason.status = recipient_take_status(&text, "5.0.0");
		outcome = param.soft_bounce ? OUTCOME_DEFERRED : OUTCOME_FAILED;
	} else if (view_is(name, "retry")) {
		reason.status = recipient_take_status(&text, "4.0.0");
		outcome = OUTCOME_DEFERRED;
	} else if (view_is(name, "discard")) {
		reason.status = recipient_take_status(&text, "2.0.0");
		outcome = OUTCOME_DELIVERED;
	} else {
		return false;
	}
	reason.diagnostic = text.len > 0 ? text : name;
	attempt_decide(a, r, outcome, &reason);
	return true;
}

static bool is_deferred_transport(struct view name)
{
	struct view list = view_of(param.defer_transports), element;

	while (conf_next_element(&list, &element))
		if (view_eq(element, name))
			return true;
	return false;
}

/* Why this transport cannot be used now; false: it can. */
static bool decide_by_transport(struct attempt *a, const struct queue_recipient *r,
				struct transport *t)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	if (is_deferred_transport(view_of(t->name)) && !a->message->flush) {
		recipient_route(a, r, OUTCOME_DEFERRED, "4.3.2", VIEW("deferred transport"));
		return true;
	}
	if (!transport_is_known(t->name)) {
		str_printf(&text, "mail transport unavailable: %s is not in master.cf", t->name);
		recipient_route(a, r, OUTCOME_DEFERRED, "4.3.5", str_view(&text));
		return true;
	}
	if (t->dead_until > clock_now()) {
		recipient_route(a, r, OUTCOME_DEFERRED, "4.3.0", str_view(&t->reason));
		return true;
	}
	t->dead_until = 0;
	return false;
}

/* ---- sorting ---- */

static void recipient_add(struct reading *reading, struct destination *d,
			  const struct queue_recipient *r, const struct route *route)
{
	struct view address = str_view(&route->address);
	struct sorted *s = &reading->items[reading->count++];
	bool is_filter = queue_file_envelope(reading->attempt->file)->filter.len > 0;

	s->destination = d;
	s->recipient = (struct lot_recipient){
		.index = r->index,
		.position = r->position,
		.notify = r->notify,
		.is_strange = route->address_class == CLASS_DEFAULT && !is_filter,
		.text = (uint32_t)reading->text.len,
		.address_size = (uint16_t)address.len,
		.original_size = (uint16_t)r->original.len,
		.orcpt_size = (uint16_t)r->orcpt.len,
	};
	str_append(&reading->text, address);
	str_append(&reading->text, r->original);
	str_append(&reading->text, r->orcpt);
}

static void note_crowded(struct attempt *a, struct destination *d)
{
	a->any_left = true;
	if (a->crowded == NULL) {
		a->crowded = d;
		d->keepers++;
	}
}

/* For a transport whose destinations are users, user+1 and user+2 are one. */
static struct destination *destination_of(struct transport *t, const struct route *route)
{
	_cleanup_(str_free) struct str user = STR_EMPTY;
	struct view local, domain, extension;

	address_split(str_view(&route->address), &local, &domain);
	address_split_extension(local, param.recipient_delimiter, &local, &extension);
	str_append(&user, local);
	str_append_byte(&user, '@');
	str_append(&user, domain);
	return schedule_destination(qmgr.schedule, t, str_view(&route->nexthop), str_view(&user));
}

/*
 * Where it goes. Tables are asked, which waits: others may change the schedule and the queue file
 * meanwhile, so that nothing of these is kept here but copies.
 */
static void recipient_resolve(struct reading *reading, const struct queue_recipient *r)
{
	struct routed *routed = &reading->routed[reading->routed_count++];
	const struct queue_envelope *envelope = queue_file_envelope(reading->attempt->file);
	_cleanup_(str_free) struct str sender = STR_EMPTY;
	struct view text;

	routed->recipient = *r;
	str_append(&routed->text, r->address);
	str_append(&routed->text, r->original);
	str_append(&routed->text, r->orcpt);
	text = str_view(&routed->text);
	routed->recipient.address = view_first(text, r->address.len);
	text = view_from(text, r->address.len);
	routed->recipient.original = view_first(text, r->original.len);
	routed->recipient.orcpt = view_from(text, r->original.len);
	if (envelope->filter.len > 0) {
		route_to_filter(envelope->filter, routed->recipient.address, &routed->route);
		return;
	}
	str_append(&sender, envelope->sender);
	routed->failure =
		route_resolve(attempt_is_probe(reading->attempt) ? qmgr.probe_routes : qmgr.routes,
			      str_view(&sender), routed->recipient.address, &routed->route, NULL);
	if (routed->failure >= 0 && routed->route.address_class == CLASS_DEFAULT)
		routed->failure = sent_on_ask(reading->attempt);
}

/* Into the schedule, without a wait. */
static void recipient_schedule(struct reading *reading, const struct routed *routed)
{
	struct attempt *a = reading->attempt;
	const struct queue_recipient *r = &routed->recipient;
	const struct route *route = &routed->route;

	if (routed->failure < 0) {
		recipient_route(a, r, OUTCOME_DEFERRED, "4.3.0", VIEW("address resolver failure"));
	} else if (route->address.len > IPC_ADDRESS_MAX || route->nexthop.len > IPC_HOST_MAX) {
		recipient_route(a, r, OUTCOME_FAILED, "5.1.3",
				VIEW("address or next hop is too long"));
	} else if (!decide_by_probe_sender(a, r, route) && !decide_by_name(a, r, route)) {
		struct transport *t =
			schedule_transport(qmgr.schedule, str_view(&route->transport));

		if (!decide_by_transport(a, r, t)) {
			struct destination *d = destination_of(t, route);

			if (schedule_still_dead(qmgr.schedule, d, clock_now())) {
				attempt_decide(a, r, OUTCOME_DEFERRED,
					       &(struct queue_reason){
						       .status = str_view(&d->status),
						       .diagnostic = str_view(&d->reason) });
			} else if (d->waiting >= CROWDED) {
				note_crowded(a, d);
			} else {
				recipient_add(reading, d, r, route);
			}
		}
	}
}

static void reading_schedule(struct reading *reading)
{
	for (size_t i = 0; i < reading->routed_count; i++)
		recipient_schedule(reading, &reading->routed[i]);
}

static void reading_free(struct reading *reading)
{
	for (size_t i = 0; i < reading->routed_count; i++) {
		route_free(&reading->routed[i].route);
		str_free(&reading->routed[i].text);
	}
	free(reading->routed);
	free(reading->items);
	str_free(&reading->text);
}

static int compare_destinations(const void *left, const void *right)
{
	const struct sorted *a = left, *b = right;

	if (a->destination != b->destination)
		return (uintptr_t)a->destination < (uintptr_t)b->destination ? -1 : 1;
	return (a->recipient.index > b->recipient.index) -
	       (a->recipient.index < b->recipient.index);
}

/* items[first .. end - 1] have the same destination. */
static void make_lot(const struct reading *reading, size_t first, size_t end)
{
	struct attempt *a = reading->attempt;
	struct attempt_lot *al = mem_new(struct attempt_lot);
	struct lot *lot = &al->lot;

	lot->owner = a;
	lot->destination = reading->items[first].destination;
	lot->count = end - first;
	lot->recipients = mem_new_array(struct lot_recipient, lot->count);
	for (size_t i = 0; i < lot->count; i++) {
		struct lot_recipient *r = &lot->recipients[i];
		size_t size;

		*r = reading->items[first + i].recipient;
		size = (size_t)r->address_size + r->original_size + r->orcpt_size;
		struct view text = view_make(reading->text.data + r->text, size);

		r->text = (uint32_t)lot->text.len;
		str_append(&lot->text, text);
	}
	list_push_back(&a->lots, &al->link);
	a->in_memory += lot->count;
	qmgr.recipients += lot->count;
	schedule_add(lot);
}

static void make_lots(struct reading *reading)
{
	if (reading->count > 1)
		qsort(reading->items, reading->count, sizeof(*reading->items),
		      compare_destinations);
	for (size_t first = 0, end; first < reading->count; first = end) {
		end = first + 1;
		while (end < reading->count &&
		       reading->items[end].destination == reading->items[first].destination)
			end++;
		make_lot(reading, first, end);
	}
}

/* ---- reading ---- */

/* Given up by hand or by age: the last reason stays. */
static void recipient_expire(struct attempt *a, const struct queue_recipient *r)
{
	int e = 0;

	if (r->reason != 0)
		e = queue_file_set_result(a->file, r->position, OUTCOME_FAILED, false, clock_wall(),
					  r->reason);
	if (r->reason == 0 || e < 0)
		recipient_route(a, r, OUTCOME_FAILED, "5.4.7",
				VIEW("message was not delivered within its lifetime"));
	a->any_failed = true;
	a->recorded = true;
}

static void recipient_take(struct reading *reading, const struct queue_recipient *r)
{
	struct attempt *a = reading->attempt;

	switch (r->outcome) {
	case OUTCOME_PENDING:
	case OUTCOME_DEFERRED:
		if (a->expire)
			recipient_expire(a, r);
		else
			recipient_resolve(reading, r);
		break;
	case OUTCOME_FAILED:
		a->any_failed = a->any_failed || !r->reported;
		break;
	default:
		a->any_success = a->any_success || queue_recipient_wants_report(r, REPORT_SUCCESS);
	}
}

void attempt_expire(struct attempt *a)
{
	struct queue_cursor cursor = { 0 };
	struct queue_recipient r;

	while (queue_file_next_recipient(a->file, &cursor, &r) > 0)
		if (queue_recipient_is_unfinished(&r))
			recipient_expire(a, &r);
	queue_file_trim(a->file);
	a->any_deferred = a->any_left = false;
}

/* How many may be read now; in any case a few, so that each message gets on. */
static size_t budget(const struct attempt *a)
{
	size_t limit = (size_t)param.qmgr_message_recipient_limit;
	size_t room = limit > qmgr.recipients ? limit - qmgr.recipients : 0;

	room = MIN(MAX(room, (size_t)param.qmgr_message_recipient_minimum), (size_t)READ_AT_ONCE);
	return MIN(room, (size_t)queue_file_recipient_count(a->file));
}

void recipients_read_some(struct attempt *a)
{
	size_t most = budget(a);
	struct reading reading = { .attempt = a,
				   .routed = mem_new_array(struct routed, most),
				   .items = mem_new_array(struct sorted, most) };
	struct queue_recipient r;
	int e = 1;

	a->is_routing = true;
	/* Recipients of earlier attempts are passed by, in runs that are not too long. */
	for (size_t i = 0; reading.routed_count < most && i < READ_AT_ONCE && e > 0; i++) {
		e = queue_file_next_recipient(a->file, &a->cursor, &r);
		if (e > 0)
			recipient_take(&reading, &r);
	}
	a->is_routing = false;
	if (e < 0) {
		log_error("%s: cannot read its recipients: %s", a->message->id, strerror(-e));
		a->any_left = true;
	}
	a->all_read = e <= 0 || a->cursor.index >= queue_file_recipient_count(a->file);
	queue_file_trim(a->file);
	/* Words that were left while tables were asked: then nothing is done with it any more. */
	if (qmgr.retiring || a->deleted || a->hold) {
		a->any_left = a->any_left || reading.routed_count > 0;
		attempt_withdraw(a);
	} else {
		reading_schedule(&reading);
		make_lots(&reading);
	}
	reading_free(&reading);
}
