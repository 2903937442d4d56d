/* Reports are written by bounce; a few at a time. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "qmgr.h"

#define CONNECT_TIME ((msec_t)10000)
#define AT_ONCE	     20

static struct {
	struct ipc_pool *pool;
	size_t running;
	struct waitlist room;
} reports = { .room = WAITLIST_START(reports.room) };

static int bounce_ask(struct attempt *a, uint8_t kind)
{
	struct message answer;
	struct ipc *bounce;
	int r = ipc_exchange(reports.pool, clock_after(CONNECT_TIME), &bounce, &answer, report,
			     .kind = kind, .queue_id = view_of(a->message->id),
			     .file = queue_file_fd(a->file));

	if (r < 0)
		return r;
	if (answer.type != MSG_verdict) {
		message_close_fd(&answer);
		ipc_pool_put(reports.pool, bounce, false);
		return -EBADMSG;
	}
	if (answer.verdict.code != 250) {
		log_warning("%s: report was not written: %u %.*s %.*s", a->message->id,
			    answer.verdict.code, VIEW_ARG(answer.verdict.status),
			    VIEW_ARG(answer.verdict.text));
		r = -EAGAIN;
	}
	ipc_pool_put(reports.pool, bounce, true);
	return r;
}

int report_send(struct attempt *a, uint8_t kind)
{
	if (reports.pool == NULL)
		reports.pool = ipc_pool_new("private/bounce", AT_ONCE);
	while (reports.running >= AT_ONCE)
		wait_on(&reports.room, MSEC_FOREVER);
	reports.running++;
	int r = bounce_ask(a, kind);

	reports.running--;
	wake_one(&reports.room);
	if (r < 0 && r != -EAGAIN)
		log_warning("%s: no answer from bounce: %s", a->message->id, strerror(-r));
	return r;
}
