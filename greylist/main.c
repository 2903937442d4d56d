/*
 * The program greylist: questions of smtpd, and the cache that outlives it. Who is let in without being
 * asked to come again, policy knows before it asks; what follows from what is known is known.c's.
 */
#include "greylist.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "ipc/ipc.h"
#include "task/task.h"

#define SWEEP_AT_MOST 1000 /* records that are over */

static struct cache_file *cache;

static int greylist_answer_question(struct ipc *ipc, const struct msg_greylist_ask *m)
{
	const struct greylist_question question = {
		.client = m->client_address,
		.sender = m->sender,
		.recipient = m->recipient,
	};
	int64_t wait = greylist_look(cache, &question, clock_wall());

	return ipc_send(ipc, greylist_answer, .wait = (uint32_t)wait);
}

static int greylist_hear(struct ipc *ipc, const struct msg_greylist_written *m)
{
	struct view rest = m->addresses, address;
	int64_t now = clock_wall();

	while (view_next(&rest, '\n', &address))
		if (address.len > 0)
			greylist_note_correspondent(cache, address, now);
	return ipc_send(ipc, done);
}

static void greylist_serve(struct ipc *ipc)
{
	struct message m;
	int r = 0;

	/* Who may say which of them stands in programs.def. */
	while (r >= 0 && ipc_next_request(ipc, &m) == 0) {
		r = m.type == MSG_greylist_ask ? greylist_answer_question(ipc, &m.greylist_ask)
					       : greylist_hear(ipc, &m.greylist_written);
		if (r == 0)
			r = ipc_flush(ipc);
	}
}

static void sweep_run(void *unused)
{
	(void)unused;
	while (cache != NULL) {
		cache_file_pause(cache);
		cache_file_sweep(cache, clock_wall(), SWEEP_AT_MOST);
	}
}

static int greylist_prepare(struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/greylist", param.data_directory);
	return cache_file_open(str_cstr(&path), (uint64_t)param.greylist_entry_limit, &cache, err);
}

static void greylist_start(void)
{
	task_spawn("sweep", sweep_run, NULL);
}

/* The next one waits for the cache. */
static void greylist_retire(void)
{
	cache_file_close(TAKE(cache));
}

static const struct daemon_program program = {
	.name = "greylist",
	.prepare = greylist_prepare,
	.start = greylist_start,
	.serve_ipc = greylist_serve,
	.retire = greylist_retire,
};

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &program);
}
