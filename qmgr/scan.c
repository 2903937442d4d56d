/*
 * Messages on disk that nobody told us about: at the start all of them; later those that a cleanup
 * which died could not announce, those that were locked, and those that found no room in memory.
 * The folders are read by a worker thread, so that mail flows meanwhile.
 */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "qmgr.h"

/* A cleanup that ends has mostly told us everything; do not scan more often than that. */
#define PAUSE ((msec_t)2000)
/* While messages are left on disk for want of room. */
#define OVERFLOW_PAUSE ((int64_t)60)

static struct {
	struct waitlist wake;
	bool wanted;
	int64_t overflow_due; /* microseconds; 0: nothing was left on disk */
	size_t left_on_disk;
} scanner = { .wake = { { &scanner.wake.tasks, &scanner.wake.tasks } } };

void scan_soon(void)
{
	scanner.wanted = true;
	wake_all(&scanner.wake);
}

void scan_note_overflow(int64_t due)
{
	if (scanner.left_on_disk++ == 0)
		log_warning("%zu messages are known; more are left on disk for now "
			    "(qmgr_message_waiting_limit)",
			    message_count());
	if (scanner.overflow_due == 0 || due < scanner.overflow_due)
		scanner.overflow_due = due;
}

struct found {
	struct message_id *ids;
	size_t count, size;
};

static int take_name(void *argument, const char *id)
{
	struct found *found = argument;

	if (found->count == found->size) {
		found->size = found->size ? found->size * 2 : 1024;
		found->ids = mem_resize(found->ids, found->size, sizeof(*found->ids));
	}
	snprintf(found->ids[found->count++].text, sizeof(found->ids->text), "%s", id);
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* In a worker thread. */
static int read_folders(void *argument)
{
	struct found *found = argument;
	int r = queue_scan(qmgr.queue, take_name, found);

	if (found->count > 1)
		qsort(found->ids, found->count, sizeof(*found->ids), compare_ids);
	return r;
}

/* Reads when it is due, or that it is held. What cannot be opened now is tried as an attempt. */
static void take_message(const char *id)
{
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	int64_t due = clock_wall_usec();
	int r = queue_file_open(qmgr.queue, view_of(id), 0, &f, NULL);

	if (r == -ENOENT)
		return;
	if (r == 0 && queue_file_next_attempt(f) != 0)
		due = queue_file_next_attempt(f) * 1000000;
	struct mail *m = message_add(view_of(id), due, false);

	if (m == NULL || r < 0)
		return;
	m->deferred = queue_file_next_attempt(f) != 0;
	if (queue_file_flags(f) & QUEUE_FLAG_HOLD)
		message_hold(m);
}

static void scan(void)
{
	struct found found = { 0 };
	size_t before = message_count();

	scanner.left_on_disk = 0;
	scanner.overflow_due = 0;
	int r = task_blocking(read_folders, &found);

	if (r < 0)
		log_error("cannot read the queue's folders: %s", strerror(-r));
	for (size_t i = 0; i < found.count; i++) {
		if (message_find(view_of(found.ids[i].text)) == NULL)
			take_message(found.ids[i].text);
		if (i % 100 == 99) {
			activate_wake();
			task_yield();
		}
	}
	free(found.ids);
	if (message_count() > before)
		log_info("%zu messages found in the queue", message_count() - before);
	activate_wake();
}

static bool overflow_is_due(void)
{
	return scanner.overflow_due != 0 && scanner.overflow_due <= clock_wall_usec() &&
	       message_count() < (size_t)param.qmgr_message_waiting_limit;
}

void scan_run(void *unused)
{
	(void)unused;
	scanner.wanted = true;
	while (!qmgr.retiring) {
		if (scanner.wanted || overflow_is_due()) {
			scanner.wanted = false;
			scan();
			task_sleep(PAUSE);
			continue;
		}
		wait_on(&scanner.wake,
			scanner.overflow_due ? clock_after(OVERFLOW_PAUSE * 1000) : MSEC_FOREVER);
	}
}
