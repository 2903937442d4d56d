/* Every message that qmgr knows: small, so that hundreds of thousands may wait. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/slab.h"
#include "conf/conf.h"
#include "qmgr.h"

static struct {
	struct slab mails;
	struct map *by_id; /* the keys are those in struct queued */
	struct heap due;
	struct messages_left left;
} known;

void messages_init(void)
{
	slab_init(&known.mails, sizeof(struct queued));
	known.by_id = map_new();
	summaries_init();
}

struct queued *message_find(struct view id)
{
	return map_get(known.by_id, id);
}

struct messages_left *messages_left(void)
{
	return &known.left;
}

void message_note_overflow(int64_t due)
{
	if (known.left.count++ == 0)
		log_warning("%zu messages are known; more are left on disk for now "
			    "(qmgr_message_waiting_limit)",
			    message_count());
	if (known.left.due == 0 || due < known.left.due)
		known.left.due = due;
}

struct queued *message_add(struct view id, const struct queue_place *place, int64_t due,
			   bool is_new)
{
	size_t limit = (size_t)param.qmgr_message_waiting_limit;

	/* Mail that waits for later must not shut out mail that could go now. */
	if (is_new || due <= clock_wall_usec())
		limit += (size_t)param.qmgr_message_active_limit;
	if (map_count(known.by_id) >= limit) {
		message_note_overflow(due);
		return NULL;
	}
	struct queued *m = slab_new(&known.mails);

	snprintf(m->id, sizeof(m->id), "%.*s", VIEW_ARG(id));
	list_init(&m->link);
	m->place = *place;
	m->verified = is_new;
	m->announced = is_new;
	map_put_borrowed(known.by_id, view_of(m->id), m);
	message_set_due(m, due);
	return m;
}

void message_set_due(struct queued *m, int64_t due)
{
	list_remove(&m->link);
	m->state = MESSAGE_WAITING;
	m->attempt = NULL;
	heap_set(&known.due, &m->due, due);
}

static void leave_line(struct queued *m, enum message_state state)
{
	list_remove(&m->link);
	heap_remove(&known.due, &m->due);
	m->state = (uint8_t)state;
	m->attempt = NULL;
}

void message_hold(struct queued *m)
{
	leave_line(m, MESSAGE_HELD);
}

void message_park(struct queued *m, struct destination *d)
{
	leave_line(m, MESSAGE_PARKED);
	list_push_back(&d->parked, &m->link);
}

void message_activate(struct queued *m, struct attempt *attempt)
{
	leave_line(m, MESSAGE_ACTIVE);
	summary_drop(m);
	m->attempt = attempt;
}

void message_removing(struct queued *m)
{
	leave_line(m, MESSAGE_REMOVING);
}

void message_settling(struct queued *m)
{
	leave_line(m, MESSAGE_SETTLING);
}

void message_forget(struct queued *m)
{
	leave_line(m, MESSAGE_WAITING);
	summary_drop(m);
	map_remove(known.by_id, view_of(m->id));
	slab_free(&known.mails, m);
}

uint8_t message_queue_state(const struct queued *m)
{
	switch (m->state) {
	case MESSAGE_ACTIVE:
	case MESSAGE_PARKED:
		return QUEUE_STATE_ACTIVE;
	case MESSAGE_HELD:
		return QUEUE_STATE_HOLD;
	default:
		return m->deferred ? QUEUE_STATE_DEFERRED : QUEUE_STATE_INCOMING;
	}
}

struct queued *message_first_due(void)
{
	struct heap_node *first = heap_first(&known.due);

	return first ? container_of(first, struct queued, due) : NULL;
}

size_t message_count(void)
{
	return map_count(known.by_id);
}

void message_each(void (*each)(struct queued *m, void *argument), void *argument)
{
	map_for_each (known.by_id, i)
		each(map_value_at(known.by_id, i), argument);
}

struct queue_id *message_ids(size_t *count)
{
	struct queue_id *ids = mem_new_array(struct queue_id, map_count(known.by_id) + 1);
	size_t n = 0;

	map_for_each (known.by_id, i) {
		const struct queued *m = map_value_at(known.by_id, i);

		memcpy(ids[n++].text, m->id, sizeof(m->id));
	}
	*count = n;
	return ids;
}
