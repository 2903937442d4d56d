/*
 * Messages on disk that nobody told us about: at the start all of them; later those that a cleanup
 * which died could not announce, those that were locked, and those that found no room in memory. The
 * journal is looked at more often: so its segments become free again.
 * The folders are read by a worker thread, so that mail flows meanwhile.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "qmgr.h"

/* A cleanup that ends has mostly told us everything; do not scan more often than that. */
#define PAUSE ((msec_t)2000)
/* At most, while something in the queue cannot be read. */
#define FAILURE_PAUSE ((msec_t)16000)
/* While messages are left on disk for want of room. */
#define OVERFLOW_PAUSE ((int64_t)60)

static struct {
	struct waitlist wake;
	bool wanted, wanted_journal;
	msec_t pause;  /* after the last scan */
	bool all_read; /* the folders have been read once since the start */
	struct waitlist first;
	size_t busy; /* records of the queue manager before us, when last looked at */
} scanner = { .wake = WAITLIST_START(scanner.wake), .first = WAITLIST_START(scanner.first) };

void scan_soon(void)
{
	scanner.wanted = true;
	wake_all(&scanner.wake);
}

void scan_journal_soon(void)
{
	scanner.wanted_journal = true;
	wake_all(&scanner.wake);
}

bool scan_is_first(void)
{
	return !scanner.all_read;
}

const char *scan_what_is_missing(void)
{
	if (scan_is_first())
		return "the queue is still being read; there may be more";
	if (messages_left()->count > 0)
		return "more messages are left on disk for now (qmgr_message_waiting_limit)";
	return NULL;
}

void scan_wait_first(msec_t deadline)
{
	while (!scanner.all_read && !qmgr.retiring &&
	       wait_on(&scanner.first, deadline) != -ETIMEDOUT)
		;
}

/* A message that is on disk only, for want of room, becomes known first. */
struct queued *scan_find(struct view id)
{
	struct queued *m = message_find(id);
	struct queue_file *f;

	if (m != NULL || !queue_id_is_valid(id))
		return m;
	if (queue_file_open(qmgr.queue, id, NULL, 0, &f, NULL) < 0)
		return NULL;
	m = message_add(id, &QUEUE_OWN_FILE, MAX(queue_file_next_attempt(f) * 1000000, 1), false);
	if (m != NULL && (queue_file_flags(f) & QUEUE_FLAG_HOLD))
		message_hold(m);
	queue_file_close(f);
	return m;
}

struct found_message {
	struct queue_id id;
	struct queue_place place;
};
struct found {
	struct found_message *messages;
	size_t count, size;
	struct queue_scan scan;
};

static int scan_take_name(void *argument, const char *id, const struct queue_place *place)
{
	struct found *found = argument;

	if (found->count == found->size) {
		found->size = found->size ? found->size * 2 : 1024;
		found->messages =
			mem_resize(found->messages, found->size, sizeof(*found->messages));
	}
	struct found_message *m = &found->messages[found->count++];

	snprintf(m->id.text, sizeof(m->id.text), "%s", id);
	m->place = *place;
	return 0;
}

/* By age. Of two with one id that in the journal comes first. */
static int scan_compare(const void *left, const void *right)
{
	const struct found_message *a = left, *b = right;
	int order = strcmp(a->id.text, b->id.text);

	return order != 0 ? order : (a->place.segment == 0) - (b->place.segment == 0);
}

/* In a worker thread. */
static int read_folders(void *argument)
{
	struct found *found = argument;
	int r = queue_scan(qmgr.queue, &found->scan);

	if (found->count > 1)
		qsort(found->messages, found->count, sizeof(*found->messages), scan_compare);
	return r;
}

/*
 * Reads when it is due, or that it is held. What cannot be opened now is tried as an attempt. What
 * the queue manager before us has under way is locked.
 */
static void scan_take_message(const struct found_message *found)
{
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	struct view id = view_of(found->id.text);
	int64_t due = clock_wall_usec();
	int r = queue_file_open(qmgr.queue, id, &found->place, QUEUE_OPEN_LOCK, &f, NULL);
	bool locked = r == -EBUSY;

	if (locked)
		r = queue_file_open(qmgr.queue, id, &found->place, 0, &f, NULL);
	if (r == -ENOENT)
		return;
	if (r == 0 && queue_file_next_attempt(f) != 0)
		due = queue_file_next_attempt(f) * 1000000;
	struct queued *m = message_add(id, &found->place, due, false);

	if (m == NULL || r < 0)
		return;
	m->deferred = queue_file_next_attempt(f) != 0;
	if (queue_file_flags(f) & QUEUE_FLAG_HOLD)
		message_hold(m);
	if (!locked)
		summary_make(m, f);
}

/*
 * In the journal and in a file of its own: somebody died between the two (tofile.c). The file counts
 * if it is whole, and the journal forgets it; else the journal. Returns the one that does.
 */
static const struct found_message *choose_twin(const struct found_message *record,
					       const struct found_message *file)
{
	struct view id = view_of(record->id.text);
	struct queue_file *f;
	int r = queue_file_open(qmgr.queue, id, NULL, QUEUE_OPEN_LOCK | QUEUE_OPEN_VERIFY, &f,
				NULL);

	if (r == 0) {
		queue_mark(qmgr.queue, &record->place, QUEUE_RECORD_DONE);
		queue_file_close(f);
		return file;
	}
	if (r == -ENODATA || r == -EBADMSG)
		queue_remove(qmgr.queue, id, NULL);
	return record;
}

static void take_found(const struct found *found)
{
	for (size_t i = 0; i < found->count; i++) {
		const struct found_message *m = &found->messages[i];
		bool twins = i + 1 < found->count && strcmp(m->id.text, m[1].id.text) == 0;
		const struct queued *known = message_find(view_of(m->id.text));

		if (known == NULL)
			scan_take_message(twins ? choose_twin(m, m + 1) : m);
		else if (known->place.segment == 0 && m->place.segment != 0 &&
			 choose_twin(m, NULL) != NULL)
			scanner.wanted_journal = true; /* locked now: looked at again */
		i += twins;
		if (i % 100 == 99) {
			work_wake();
			task_yield();
		}
	}
}

/* Is none of those that retired left, whose marks in the journal count? */
static bool retired_are_gone(void)
{
	if (flock(qmgr.retired_fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	flock(qmgr.retired_fd, LOCK_UN);
	return true;
}

/* Segments that nobody writes to wait for their last messages: not for too many of them. */
static void hurry_journal(const struct found *found)
{
	size_t count = 0;
	_cleanup_free_ struct queue_id *ids = NULL;

	if (found->scan.segments < 2 ||
	    found->scan.segments < (size_t)param.queue_journal_segments / 2)
		return;
	ids = mem_new_array(struct queue_id, found->count + 1);
	for (size_t i = 0; i < found->count; i++)
		if (found->messages[i].place.segment != 0)
			ids[count++] = found->messages[i].id;
	tofile_old(ids, count);
}

static void scan(void)
{
	struct found found = { .scan = { .each = scan_take_name,
					 .only_journal = !scanner.wanted,
					 .busy_too = retired_are_gone() } };
	size_t before = message_count();

	found.scan.argument = &found;
	if (scanner.wanted)
		*messages_left() = (struct messages_left){ 0 };
	scanner.wanted = scanner.wanted_journal = false;
	int r = task_blocking(read_folders, &found);

	/* What could be read is taken; the rest must not be forgotten, nor keep us busy. */
	scanner.pause = r == 0 ? PAUSE : MIN(2 * scanner.pause, FAILURE_PAUSE);
	if (r < 0) {
		scanner.wanted = true;
		log_error("cannot read the whole queue, trying again in %lld s: %s",
			  (long long)(scanner.pause / 1000), strerror(-r));
	}
	take_found(&found);
	/* What the one before us had under way it may have put off, into files that we do not know. */
	if (found.scan.busy < scanner.busy)
		scanner.wanted = true;
	else if (found.scan.busy > 0)
		scanner.wanted_journal = true;
	scanner.busy = found.scan.busy;
	scanner.all_read = scanner.all_read || (r == 0 && !found.scan.only_journal);
	wake_all(&scanner.first);
	if (message_count() > before && !found.scan.only_journal)
		log_info("%zu messages found in the queue", message_count() - before);
	work_wake();
	hurry_journal(&found);
	free(found.messages);
}

static bool overflow_is_due(void)
{
	int64_t due = messages_left()->due;

	return due != 0 && due <= clock_wall_usec() &&
	       message_count() < (size_t)param.qmgr_message_waiting_limit;
}

void scan_run(void *unused)
{
	(void)unused;
	scanner.wanted = true;
	scanner.pause = PAUSE;
	while (!qmgr.retiring) {
		scanner.wanted = scanner.wanted || overflow_is_due();
		if (scanner.wanted || scanner.wanted_journal) {
			scan();
			task_sleep(scanner.pause);
			continue;
		}
		wait_on(&scanner.wake,
			messages_left()->due ? clock_after(OVERFLOW_PAUSE * 1000) : MSEC_FOREVER);
	}
}
