/*
 * Unlinking finished messages. On a busy file system each unlink may wait for the journal, so they
 * are left to a worker thread, as many at a time as have come. A message stays locked and known
 * until its file is gone, so that neither the next qmgr nor a scan delivers it again.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "qmgr.h"

#define AT_ONCE 256

struct removal {
	struct list link;
	struct queued *message;
	struct queue_file *file; /* NULL: removed by hand, not open */
	char id[QUEUE_ID_LENGTH_MAX];
	int result;
};
struct batch_of_removals {
	struct removal *items[AT_ONCE];
	size_t count;
};

static struct {
	struct list waiting;
	bool running;
} remover = { .waiting = { &remover.waiting, &remover.waiting } };

/* In a worker thread. To close the last descriptor is the greater part of the work. */
static int remove_batch(void *argument)
{
	struct batch_of_removals *batch = argument;

	for (size_t i = 0; i < batch->count; i++) {
		struct removal *r = batch->items[i];

		r->result = queue_remove(qmgr.queue, view_of(r->id), NULL);
		queue_file_close(r->file);
	}
	return 0;
}

static void removal_conclude(struct queued *m, int r)
{
	if (r < 0 && r != -ENOENT) {
		log_error("%s: cannot be removed: %s", m->id, strerror(-r));
		/* At worst it is delivered again, but not at once. */
		message_set_due(m, clock_wall_usec() + param.minimal_backoff_time * 1000);
	} else {
		log_info("%s: removed", m->id);
		message_forget(m);
	}
}

static void removal_finish(struct removal *r)
{
	removal_conclude(r->message, r->result);
	free(r);
	daemon_work_end();
}

static void removal_run(void *unused)
{
	_cleanup_free_ struct batch_of_removals *batch = mem_new(struct batch_of_removals);
	struct removal *r;

	(void)unused;
	while (!list_is_empty(&remover.waiting)) {
		batch->count = 0;
		while (batch->count < AT_ONCE &&
		       (r = LIST_FIRST(&remover.waiting, struct removal, link)) != NULL) {
			list_remove(&r->link);
			batch->items[batch->count++] = r;
		}
		task_blocking(remove_batch, batch);
		for (size_t i = 0; i < batch->count; i++)
			removal_finish(batch->items[i]);
	}
	remover.running = false;
}

/* A word in the journal, and nothing to wait for. */
static void remove_from_journal(struct queued *m, struct queue_file *file)
{
	int r = queue_remove(qmgr.queue, view_of(m->id), &m->place);

	queue_file_close(file);
	removal_conclude(m, r);
}

void remove_message(struct queued *m, struct queue_file *file)
{
	struct removal *r;

	if (m->place.segment != 0) {
		remove_from_journal(m, file);
		return;
	}
	r = mem_new(struct removal);

	message_removing(m);
	r->message = m;
	r->file = file;
	memcpy(r->id, m->id, sizeof(r->id));
	list_push_back(&remover.waiting, &r->link);
	daemon_work_begin();
	if (!remover.running) {
		remover.running = true;
		task_spawn("remove", removal_run, NULL);
	}
}
