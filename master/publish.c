/*
 * What runs, for those who may know it: packed for an answer, and told to the program "status",
 * which has no rights and answers anybody. So no stranger's connection ends in master.
 */
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master.h"
#include "task/task.h"

#define SOCKET	    "private/status"
#define TALK_TIME   5000
#define GATHER_TIME 50 /* changes come in heaps: a reload, a start */

static void publish_process(struct str *out, const struct process *p)
{
	_cleanup_(str_free) struct str state = STR_EMPTY;

	if (process_silence(p) >= PROCESS_ANSWER_TIME)
		str_printf(&state, "DOES NOT ANSWER (for %lld s) ",
			   (long long)process_silence(p) / 1000);
	str_append_cstr(&state, p->state == PROCESS_STARTING ? "starting"
				: p->state == PROCESS_READY  ? ""
							     : "finishing ");
	str_append(&state, str_view(&p->confinement));
	(void)ipc_pack(out, service_state, .service = view_of(p->service->key),
		       .program = view_of(p->program), .pid = (uint32_t)p->pid, .since = p->started,
		       .restarts = p->service->restarts,
		       .confinement = view_first(str_view(&state), IPC_TEXT_MAX));
}

void publish_pack(struct str *out)
{
	static int64_t since;

	if (since == 0)
		since = clock_wall();
	(void)ipc_pack(out, service_state, .service = VIEW("master"), .program = VIEW("master"),
		       .pid = (uint32_t)getpid(), .since = since,
		       .confinement = master_is_root() ? VIEW("user=root") : VIEW("not root"));
	list_for_each (services_list(), struct running_service, link, service)
		list_for_each (&service->processes, struct process, link, p)
			publish_process(out, p);
	(void)ipc_pack(out, done);
}

/* False: it did not hear us; it may be about to be replaced. */
static bool publish_once(void)
{
	_cleanup_(str_free) struct str bytes = STR_EMPTY;
	_cleanup_(ipc_freep) struct ipc *ipc = ipc_connect(SOCKET, clock_after(TALK_TIME));
	struct message m;

	if (ipc == NULL)
		return false;
	ipc_set_timeout(ipc, TALK_TIME);
	publish_pack(&bytes);
	return ipc_send_bytes(ipc, str_view(&bytes)) == 0 && ipc_expect(ipc, MSG_done, &m) == 0;
}

static void publish(void *unused)
{
	(void)unused;
	for (;;) {
		unsigned told = services_change_count();

		if (socket_find(SOCKET) == NULL || publish_once())
			services_wait_change(told);
		task_sleep(GATHER_TIME);
	}
}

void publish_start(void)
{
	task_spawn("publish", publish, NULL);
}
