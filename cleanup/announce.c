/*
 * qmgr is told of each message that became durable, on a kept connection, and told again on a new
 * one until it has acknowledged. The client does not wait for that. If qmgr is away for long and
 * too many wait to be told, they are forgotten here: qmgr scans the queue when it starts, and when
 * a connection like this one closes. So there is one before the first 250 that it may have to
 * stand for.
 */
#include <errno.h>
#include <stdio.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "intake.h"
#include "task/task.h"

#define WAITING_MAX  10000
#define AT_ONCE	     100 /* sent before the answers are read */
#define CONNECT_TIME ((msec_t)10000)
#define ANSWER_TIME  ((msec_t)60000)
#define RETRY_PAUSE  ((msec_t)500)
#define RETRY_MAX    ((msec_t)10000)
/* A client does not wait longer for a qmgr that is away: it will scan when it is back. */
#define PREPARE_TIME  ((msec_t)500)
#define PREPARE_PAUSE ((msec_t)2000)

struct announcement {
	struct list link;
	char id[QUEUE_ID_LENGTH_MAX];
	struct queue_place place;
	bool again; /* told before */
};

static struct {
	struct list waiting, sent; /* sent: told on this connection, not acknowledged yet */
	size_t waiting_count;
	bool running;
	struct ipc *qmgr;
	struct task_lock connecting;
	msec_t not_before; /* qmgr was away: do not prepare again */
} announcer = { .connecting.waiting = WAITLIST_START(announcer.connecting.waiting),
		.waiting = { &announcer.waiting, &announcer.waiting },
		.sent = { &announcer.sent, &announcer.sent } };

static void forget_first(struct list *list)
{
	struct announcement *a = LIST_FIRST(list, struct announcement, link);

	if (a != NULL) {
		list_remove(&a->link);
		free(a);
	}
}

/* Sends a run of announcements and takes their answers. */
static int announce_some(struct ipc *qmgr)
{
	struct announcement *a;
	struct message m;
	int r = 0;

	for (int i = 0; r == 0 && i < AT_ONCE; i++) {
		a = LIST_FIRST(&announcer.waiting, struct announcement, link);
		if (a == NULL)
			break;
		list_remove(&a->link);
		announcer.waiting_count--;
		list_push_back(&announcer.sent, &a->link);
		r = ipc_send(qmgr, queued, .queue_id = view_of(a->id), .again = a->again,
			     .segment = a->place.segment, .size = a->place.size,
			     .offset = a->place.offset);
	}
	while (r == 0 && !list_is_empty(&announcer.sent)) {
		r = ipc_expect(qmgr, MSG_done, &m);
		if (r == 0)
			forget_first(&announcer.sent);
	}
	/* What was not acknowledged is told again; twice does no harm. */
	while ((a = LIST_FIRST(&announcer.sent, struct announcement, link)) != NULL) {
		a->again = true;
		list_remove(&a->link);
		list_push_back(&announcer.waiting, &a->link);
		announcer.waiting_count++;
	}
	return r;
}

/* One task at a time makes the connection, for all. */
static int connect_qmgr(msec_t patience)
{
	int r = 0;

	task_lock(&announcer.connecting);
	if (announcer.qmgr == NULL) {
		announcer.qmgr = ipc_connect("private/qmgr", clock_after(patience));
		if (announcer.qmgr == NULL)
			r = -errno;
		else
			ipc_set_timeout(announcer.qmgr, ANSWER_TIME);
	}
	task_unlock(&announcer.connecting);
	return r;
}

void announce_prepare(void)
{
	/* While there is something to tell, the connection is looked after. */
	if (announcer.running || clock_now() < announcer.not_before)
		return;
	if (announcer.qmgr != NULL && !ipc_is_alive(announcer.qmgr))
		ipc_free(TAKE(announcer.qmgr));
	if (announcer.qmgr == NULL && connect_qmgr(PREPARE_TIME) < 0)
		announcer.not_before = clock_after(PREPARE_PAUSE);
}

static void announce_all(void *unused)
{
	msec_t pause = RETRY_PAUSE;

	(void)unused;
	/* Not while everything stops: qmgr scans when it starts. */
	while (!list_is_empty(&announcer.waiting) && !task_is_shutting_down()) {
		int r = announcer.qmgr == NULL ? connect_qmgr(CONNECT_TIME) : 0;

		if (r < 0) {
			log_warning("the queue manager does not answer: %s", strerror(-r));
			task_sleep(pause);
			pause = MIN(pause * 2, RETRY_MAX);
			continue;
		}
		if (announce_some(announcer.qmgr) == 0) {
			pause = RETRY_PAUSE;
			continue;
		}
		/* Mostly a kept connection of a qmgr that was replaced. */
		ipc_free(TAKE(announcer.qmgr));
	}
	announcer.running = false;
	daemon_work_end();
}

void announce(const struct queue_writer *writer)
{
	if (announcer.waiting_count >= WAITING_MAX) {
		forget_first(&announcer.waiting);
		announcer.waiting_count--;
	}
	struct announcement *a = mem_new(struct announcement);

	snprintf(a->id, sizeof(a->id), "%s", queue_writer_id(writer));
	a->place = *queue_writer_place(writer);
	list_push_back(&announcer.waiting, &a->link);
	announcer.waiting_count++;
	if (!announcer.running) {
		announcer.running = true;
		daemon_work_begin();
		task_spawn("announce", announce_all, NULL);
	}
}
