/*
 * local's requests: some recipients of a message at a time, and what became of each told to qmgr in
 * their order.
 */
#include "local.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "task/task.h"

/* Recipients of one message that are delivered at one time: they share the waits for the disk. */
#define AT_ONE_TIME 10

/* "virtual" in master.cf is for mailbox users; any other name is for this system's users. */
static bool is_virtual;

/* One message. On the heap: the tasks use it. */
struct batch {
	struct delivery *d;
	struct outcome *outcomes;
	bool *done, *logged;
	size_t next, tasks;
	struct waitlist progress;
};

static int local_prepare(struct error *err)
{
	is_virtual = strcmp(daemon_service_name(), "virtual") == 0;

	int r = delivery_filter_open(is_virtual ? "virtual_delivery_status_filter"
						: "local_delivery_status_filter",
				     is_virtual ? param.virtual_delivery_status_filter
						: param.local_delivery_status_filter,
				     err);

	if (r == 0 && !is_virtual)
		r = expand_prepare(err);
	return r < 0 || is_virtual ? r : mailbox_prepare(err);
}

static void deliver_some(void *argument)
{
	struct batch *batch = argument;

	while (batch->next < batch->d->count) {
		size_t which = batch->next++;

		batch->logged[which] =
			recipient_deliver(batch->d, which, is_virtual, &batch->outcomes[which]);
		batch->done[which] = true;
		wake_all(&batch->progress);
	}
	batch->tasks--;
	wake_all(&batch->progress);
}

/* Only this task writes to the connection to qmgr, in the order of the recipients. */
static void local_report_all(struct batch *batch)
{
	struct delivery *d = batch->d;

	for (size_t i = 0; i < d->count; i++) {
		while (!batch->done[i])
			wait_on(&batch->progress, MSEC_FOREVER);
		const struct outcome *outcome = &batch->outcomes[i];

		if (batch->logged[i])
			delivery_passed(d, i, outcome);
		else
			delivery_result(d, i, outcome->kind, outcome->status,
					str_view(&d->transport), str_view(&outcome->text));
		outcome_free(&batch->outcomes[i]);
	}
	while (batch->tasks > 0)
		wait_on(&batch->progress, MSEC_FOREVER);
}

static void deliver_message(struct delivery *d)
{
	struct batch *batch = mem_new(struct batch);

	batch->d = d;
	batch->outcomes = mem_new_array(struct outcome, d->count);
	batch->done = mem_new_array(bool, d->count);
	batch->logged = mem_new_array(bool, d->count);
	WAITLIST_INIT(&batch->progress);
	d->connected = clock_wall_usec();
	for (size_t i = 0; i < d->count; i++)
		outcome_set(&batch->outcomes[i], OUTCOME_DEFERRED, "4.3.0", VIEW_NONE,
			    "not delivered");
	batch->tasks = MIN(d->count, (size_t)AT_ONE_TIME);
	if (d->count == 1)
		deliver_some(batch);
	else
		for (size_t i = batch->tasks; i > 0; i--)
			task_spawn("recipients", deliver_some, batch);
	local_report_all(batch);
	free(batch->outcomes);
	free(batch->done);
	free(batch->logged);
	free(batch);
}

static void local_serve(struct ipc *ipc)
{
	delivery_serve(ipc, deliver_message);
}

static const struct daemon_program program = {
	.name = "local",
	.prepare = local_prepare,
	.serve_ipc = local_serve,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
