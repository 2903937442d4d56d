/* From the journal to a file of its own: one that is under way, or waits. */
#include "attempt.h"
#include "base/log.h"
#include "base/mem.h"

int settle_attempt(struct attempt *a)
{
	struct error err = ERROR_NONE;
	int r = queue_file_settle(a->file, &err);

	if (r < 0) {
		log_error("%s", err.text);
		return r;
	}
	a->message->place = QUEUE_OWN_FILE;
	attempt_record_kept(a);
	return 0;
}

int settle_waiting(struct queued *m)
{
	_cleanup_(queue_file_closep) struct queue_file *f = NULL;
	struct error err = ERROR_NONE;
	int64_t due = m->due.key;

	message_settling(m);
	int r = queue_file_open(qmgr.queue, view_of(m->id), &m->place, 0, &f, &err);

	if (r == 0)
		r = queue_file_settle(f, &err);
	if (r == 0)
		m->place = QUEUE_OWN_FILE;
	else
		log_error("%s", err.text);
	message_set_due(m, due);
	work_wake();
	return r;
}
