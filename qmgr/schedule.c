/*
 * Which delivery comes next: fair among destinations and messages. It holds positions in the queue
 * and never reads a file.
 */
#include "schedule.h"

#include "base/invariant.h"
#include "base/map.h"
#include "base/mem.h"

struct schedule {
	struct map *transports, *destinations;
	struct list dead; /* the one that died first in front */
	void (*limits)(const char *transport, struct schedule_limits *limits);
};

struct schedule *schedule_new(void (*limits)(const char *transport, struct schedule_limits *limits))
{
	struct schedule *s = mem_new(struct schedule);

	s->transports = map_new();
	s->destinations = map_new();
	s->limits = limits;
	list_init(&s->dead);
	return s;
}

static void destination_free(struct destination *d)
{
	list_remove(&d->ready_link);
	list_remove(&d->dead_link);
	str_free(&d->key);
	free(d->nexthop);
	str_free(&d->status);
	str_free(&d->reason);
	free(d);
}

void schedule_free(struct schedule *s)
{
	map_for_each (s->destinations, i)
		destination_free(map_value_at(s->destinations, i));
	map_for_each (s->transports, i) {
		struct transport *t = map_value_at(s->transports, i);

		str_free(&t->reason);
		free(t->name);
		free(t);
	}
	map_free(s->destinations);
	map_free(s->transports);
	free(s);
}

struct transport *schedule_transport(struct schedule *s, struct view name)
{
	struct transport *t = map_get(s->transports, name);

	if (t != NULL)
		return t;
	t = mem_new(struct transport);
	t->name = mem_strndup(name.data, name.len);
	list_init(&t->ready);
	s->limits(t->name, &t->limits);
	map_put(s->transports, name, t);
	return t;
}

struct destination *schedule_destination(struct schedule *s, struct transport *t,
					 struct view nexthop, struct view recipient)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;

	str_append_cstr(&key, t->name);
	str_append_byte(&key, '\0');
	str_append_lower(&key, nexthop);
	if (t->limits.recipients == 1) {
		str_append_byte(&key, '\0');
		str_append_lower(&key, recipient);
	}
	struct destination *d = map_get(s->destinations, str_view(&key));

	if (d != NULL)
		return d;
	d = mem_new(struct destination);
	d->transport = t;
	str_set(&d->key, str_view(&key));
	d->nexthop = mem_strndup(nexthop.data, nexthop.len);
	d->window = t->limits.initial;
	list_init(&d->ready_link);
	list_init(&d->dead_link);
	list_init(&d->lots);
	list_init(&d->parked);
	map_put(s->destinations, str_view(&key), d);
	return d;
}

void schedule_release(struct schedule *s, struct destination *d)
{
	if (d->busy > 0 || d->keepers > 0 || d->resting || d->dead_until != 0 ||
	    !list_is_empty(&d->lots) || !list_is_empty(&d->parked))
		return;
	map_remove(s->destinations, str_view(&d->key));
	destination_free(d);
}

/* In line for service, or out of it. */
static void update_ready(struct destination *d)
{
	bool ready = !list_is_empty(&d->lots) && d->busy < d->window && d->dead_until == 0 &&
		     !d->resting;

	if (!ready)
		list_remove(&d->ready_link);
	else if (list_is_empty(&d->ready_link))
		list_push_back(&d->transport->ready, &d->ready_link);
}

void schedule_add(struct lot *lot)
{
	struct destination *d = lot->destination;

	list_push_back(&d->lots, &lot->link);
	d->waiting += lot->count - lot->next;
	update_ready(d);
}

bool schedule_take(struct transport *t, struct batch *batch)
{
	struct destination *d = LIST_FIRST(&t->ready, struct destination, ready_link);

	if (d == NULL || t->resting || t->busy >= t->limits.deliveries)
		return false;
	struct lot *lot = LIST_FIRST(&d->lots, struct lot, link);

	batch->lot = lot;
	batch->first = lot->next;
	batch->count = MIN(lot->count - lot->next, t->limits.recipients);
	lot->next += batch->count;
	lot->unfinished++;
	invariant(batch->count > 0 && d->waiting >= batch->count);
	d->waiting -= batch->count;
	/* To the end of both lines. */
	list_remove(&lot->link);
	if (lot->next < lot->count)
		list_push_back(&d->lots, &lot->link);
	list_remove(&d->ready_link);
	d->busy++;
	t->busy++;
	update_ready(d);
	return true;
}

void schedule_withdraw(struct lot *lot)
{
	struct destination *d = lot->destination;

	invariant(lot->next <= lot->count && d->waiting >= lot->count - lot->next);
	d->waiting -= lot->count - lot->next;
	list_remove(&lot->link);
	update_ready(d);
}

static void grow(struct destination *d)
{
	const struct schedule_limits *limits = &d->transport->limits;

	d->failures = 0;
	/* Only as far as it is used: a window says how much was found to work. */
	if ((limits->window == 0 || d->window < limits->window) &&
	    d->window < d->busy + 1 + limits->initial)
		d->window++;
}

static bool shrink(struct schedule *s, struct destination *d, int64_t dead_until)
{
	d->failures += 1.0 / (double)d->window;
	if (d->window > 1)
		d->window--;
	if (d->transport->limits.failed_cohort <= 0 ||
	    d->failures < d->transport->limits.failed_cohort || d->dead_until != 0)
		return false;
	d->dead_until = dead_until;
	list_push_back(&s->dead, &d->dead_link);
	return true;
}

bool schedule_finish(struct schedule *s, struct destination *d, enum schedule_outcome outcome,
		     int64_t dead_until)
{
	bool died = false;

	invariant(d->busy > 0 && d->transport->busy > 0);
	d->busy--;
	d->transport->busy--;
	d->resting += d->transport->limits.rests;
	d->transport->resting += d->transport->limits.rests_all;
	if (outcome == SCHEDULE_REACHED)
		grow(d);
	else if (outcome == SCHEDULE_UNREACHABLE)
		died = shrink(s, d, dead_until);
	update_ready(d);
	return died;
}

void schedule_rested(struct destination *d)
{
	invariant(d->resting > 0);
	d->resting--;
	update_ready(d);
}

void schedule_transport_rested(struct transport *t)
{
	invariant(t->resting > 0);
	t->resting--;
}

static void revive(struct destination *d)
{
	list_remove(&d->dead_link);
	d->dead_until = 0;
	d->failures = 0;
	d->window = d->transport->limits.initial;
}

bool schedule_still_dead(struct schedule *s, struct destination *d, int64_t now)
{
	(void)s;
	if (d->dead_until != 0 && d->dead_until <= now)
		revive(d);
	return d->dead_until != 0;
}

void schedule_revive(struct schedule *s, int64_t now)
{
	struct destination *d;

	while ((d = LIST_FIRST(&s->dead, struct destination, dead_link)) != NULL &&
	       d->dead_until <= now) {
		revive(d);
		schedule_release(s, d);
	}
}

size_t schedule_destination_count(const struct schedule *s)
{
	return map_count(s->destinations);
}

void schedule_each_transport(struct schedule *s, void (*each)(struct transport *t))
{
	map_for_each (s->transports, i)
		each(map_value_at(s->transports, i));
}

void schedule_each_destination(struct schedule *s,
			       void (*each)(struct destination *d, void *argument), void *argument)
{
	map_for_each (s->destinations, i)
		each(map_value_at(s->destinations, i), argument);
}
