/*
 * posta queue, and mailq, postqueue, postsuper, postcat, qshape: one code, several old names. What
 * was asked for is read in verb_queue_parse.c; here it is done.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "queue/queue.h"
#include "task/task.h"
#include "tools/instance.h"
#include "tools/tool.h"
#include "tools/verb_queue.h"

#define REPLACE_TIME ((msec_t)10000)

static const char help[] =
	"usage: posta [-c CONFDIR] queue list [--json] [--site DOMAIN] [--sender ADDRESS]\n"
	"             [--recipient ADDRESS] [--age TIME] [--reason TEXT] [ID]\n"
	"       posta queue top\n"
	"       posta queue show [-e] [-h] [-b] ID       envelope, header, body; all without "
	"option\n"
	"       posta queue flush [ID... | --site DOMAIN]\n"
	"       posta queue hold|release|delete|requeue|expire ID...|ALL|-\n"
	"\n"
	"list      what waits, and why; '*' after the id: under delivery, '!': on hold, '#': "
	"expired;\n"
	"          with options what is in the domain, from or to the address (or @domain), has\n"
	"          waited for that time (30m, 2h, 1d), or for a reason with that text in it\n"
	"top       how much waits, and most of it for which sites, senders and reasons\n"
	"flush     try again now\n"
	"hold      keep in the queue, untried, until release\n"
	"requeue   try again now, also what is on hold\n"
	"expire    return to the sender now\n"
	"-         reads the ids from standard input\n"
	"\n"
	"mailq, postqueue -p|-j|-f|-s DOMAIN|-i ID, postsuper -h|-H|-d|-r|-e|-f ID, postcat [-q] "
	"and\n"
	"qshape work as Postfix's. What is listed or shown while the mail system is down is read "
	"from\n"
	"the disk, by those who may. Status 1: there is no such message; 75 (postqueue: 69): the "
	"mail\n"
	"system does not run, or the queue has not been read to its end yet.\n";

static const struct queue_orders *orders;
/* By QUEUE_ACT_...: messages. */
static uint64_t done[QUEUE_ACT_EXPIRE + 1];

static const char *done_word(uint8_t action)
{
	static const char *const words[] = {
		[QUEUE_ACT_FLUSH] = "flushed",	  [QUEUE_ACT_HOLD] = "placed on hold",
		[QUEUE_ACT_RELEASE] = "released", [QUEUE_ACT_DELETE] = "deleted",
		[QUEUE_ACT_REQUEUE] = "requeued", [QUEUE_ACT_EXPIRE] = "expired",
	};

	return words[action];
}

/* While one queue manager takes over from another, or has just begun, it cannot be done: again. */
static bool is_too_early(int r, const struct message *m)
{
	return r == -ENODATA || (r == 0 && m->type == MSG_verdict && m->verdict.code == 451);
}

/*
 * What anybody may do is asked of showq; the rest, by those who reach its socket, of the queue
 * manager itself. Kept for the next.
 */
static struct ipc *manager;

static struct ipc *manager_connect(void)
{
	static const char *const services[] = { "private/qmgr", "public/showq", NULL };

	if (manager != NULL)
		return manager;
	manager = queue_connect(services);
	return manager;
}

static int manager_act(const struct queue_job *job, struct message *m)
{
	msec_t deadline = clock_after(REPLACE_TIME);
	int r;

	for (;;) {
		if (manager_connect() == NULL)
			return -errno;
		r = ipc_send(manager, queue_act, .action = job->action,
			     .queue_id = view_of(job->id), .site = view_of(job->site),
			     .states = orders->states);
		if (r == 0)
			r = ipc_receive(manager, m);
		if (!is_too_early(r, m) || clock_now() >= deadline)
			return r;
		ipc_free(TAKE(manager));
		task_sleep(100);
	}
}

static int queue_is_down(int reason)
{
	if (queue_failure_is_postqueue()) {
		queue_fail("Cannot flush mail queue - mail system is down");
		return QUEUE_UNAVAILABLE;
	}
	queue_fail("the mail system does not run: %s", strerror(reason));
	return TOOL_LATER;
}

static void super_tell(const struct queue_job *job)
{
	static const char *const words[] = {
		[QUEUE_ACT_HOLD] = "placed on hold", [QUEUE_ACT_RELEASE] = "released from hold",
		[QUEUE_ACT_DELETE] = "removed",	     [QUEUE_ACT_REQUEUE] = "requeued",
		[QUEUE_ACT_EXPIRE] = "expired",
	};

	if (job->id != NULL && words[job->action] != NULL && orders->asked[job->action])
		fprintf(stderr, "postsuper: %s: %s\n", job->id, words[job->action]);
}

static int queue_act_on(const struct queue_job *job)
{
	bool as_postfix = queue_failure_as_postfix();
	struct message m;

	/* All the folders that were named are such as have nothing here. */
	if (orders->has_states && orders->states == 0)
		return TOOL_DONE;
	int r = manager_act(job, &m);

	if (r == -ECONNREFUSED || r == -ENOENT || r == -EACCES)
		return queue_is_down(-r);
	if (r < 0 || m.type != MSG_queue_acted)
		return queue_failure(r, &m);
	done[job->action] += m.queue_acted.count;
	if (as_postfix) {
		if (m.queue_acted.count > 0)
			super_tell(job);
		return TOOL_DONE;
	}
	if (job->id != NULL && m.queue_acted.count == 0)
		return queue_fail("%s: there is no such message that could be %s", job->id,
				  done_word(job->action));
	if (job->action != QUEUE_ACT_FLUSH)
		fprintf(stderr, "posta queue: %s: %llu message%s\n", done_word(job->action),
			(unsigned long long)m.queue_acted.count,
			m.queue_acted.count == 1 ? "" : "s");
	return TOOL_DONE;
}

/* In postsuper's order. */
static void super_sum_up(void)
{
	static const struct {
		uint8_t action;
		const char *word;
	} sums[] = { { QUEUE_ACT_REQUEUE, "Requeued" },
		     { QUEUE_ACT_DELETE, "Deleted" },
		     { QUEUE_ACT_EXPIRE, "Force-expired" },
		     { QUEUE_ACT_HOLD, "Placed on hold" },
		     { QUEUE_ACT_RELEASE, "Released from hold" } };

	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		if (orders->asked[sums[i].action])
			fprintf(stderr, "postsuper: %s: %llu message%s\n", sums[i].word,
				(unsigned long long)done[sums[i].action],
				done[sums[i].action] == 1 ? "" : "s");
}

static int queue_job_do(const struct queue_job *job)
{
	struct queue_source source = { .id = job->id,
				       .down_status = queue_failure_as_postfix() ? QUEUE_UNAVAILABLE
										 : TOOL_LATER };

	switch (job->kind) {
	case JOB_LIST:
		return queue_list(&source, &orders->filter, job->form);
	case JOB_TOP:
		return queue_top(&source);
	case JOB_SHAPE:
		return queue_shape(&source, &orders->shape);
	case JOB_SHOW:
		return queue_show(manager_connect(), job->id, job->parts);
	case JOB_SHOW_FILE:
		return queue_show_file(job->id, job->parts);
	default:
		return queue_act_on(job);
	}
}

static void queue_work(void *unused)
{
	int status = TOOL_DONE;

	(void)unused;
	for (size_t i = 0; i < orders->count; i++) {
		int r = queue_job_do(&orders->items[i]);

		status = status == TOOL_DONE ? r : status;
	}
	ipc_free(TAKE(manager));
	task_quit(status);
}

int verb_queue(int argc, char **argv)
{
	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	/* mailq is postqueue -p. */
	queue_failure_set_command(strcmp(argv[0], "mailq") == 0 ? "postqueue" : argv[0]);
	int status;

	orders = queue_parse(argc, argv, &status);

	if (status != TOOL_DONE)
		return status;
	if (!instance_find("queue"))
		return TOOL_NO;
	status = task_run(queue_work, NULL);
	if (strcmp(argv[0], "postsuper") == 0)
		super_sum_up();
	return status;
}
