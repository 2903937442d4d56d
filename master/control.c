#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "master.h"
#include "task/task.h"

#define CONNECTIONS_MAX 32
#define TALK_TIMEOUT	60000
#define ANSWER_TIME	1000 /* that a program has to say that it is alive */

static struct {
	int fd;
	size_t connections;
	int64_t since;
} control = { .fd = -1 };

/* Anybody may look; only root and whom the instance belongs to may act. */
static bool may_act(struct ipc *ipc)
{
	pid_t pid;
	uid_t uid;
	gid_t gid;

	return ipc_peer(ipc, &pid, &uid, &gid) == 0 && (uid == 0 || uid == geteuid());
}

static int answer_status(struct ipc *ipc)
{
	int r = ipc_send(ipc, service_state, .service = VIEW("master"), .program = VIEW("master"),
			 .pid = (uint32_t)getpid(), .since = control.since,
			 .confinement = master_is_root() ? VIEW("user=root") : VIEW("not root"));

	if (r < 0)
		return r;
	processes_ask();
	processes_wait_answers(clock_after(ANSWER_TIME));

	list_for_each (services_list(), struct running_service, link, service) {
		list_for_each (&service->processes, struct process, link, p) {
			_cleanup_(str_free) struct str state = STR_EMPTY;

			if (process_silence(p) >= ANSWER_TIME)
				str_printf(&state, "DOES NOT ANSWER (for %lld s) ",
					   (long long)process_silence(p) / 1000);
			str_append_cstr(&state, p->state == PROCESS_STARTING ? "starting"
						: p->state == PROCESS_READY  ? ""
									     : "finishing ");
			str_append(&state, str_view(&p->confinement));
			r = ipc_send(ipc, service_state, .service = view_of(service->key),
				     .program = view_of(p->program), .pid = (uint32_t)p->pid,
				     .since = p->started, .restarts = service->restarts,
				     .confinement = view_first(str_view(&state), IPC_TEXT_MAX));
			if (r < 0)
				return r;
		}
	}
	r = ipc_send(ipc, done);
	return r < 0 ? r : ipc_flush(ipc);
}

static int control_refuse(struct ipc *ipc, uint32_t code, struct view text)
{
	int r = ipc_send(ipc, verdict, .code = code, .text = view_first(text, IPC_TEXT_MAX));

	return r < 0 ? r : ipc_flush(ipc);
}

static int answer_reload(struct ipc *ipc)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	int r = reload(&report);

	if (r < 0)
		return control_refuse(ipc, 554, str_view(&report));
	r = ipc_send(ipc, done);
	return r < 0 ? r : ipc_flush(ipc);
}

/* The connection stays open until master has ended: so posta stop knows when that is. */
static int answer_stop(struct ipc *ipc)
{
	int r = ipc_send(ipc, done);

	if (r == 0)
		r = ipc_flush(ipc);
	master_stop();
	while (r == 0)
		task_sleep(1000);
	return r;
}

static int control_answer(struct ipc *ipc, struct message *m)
{
	switch (m->type) {
	case MSG_master_status:
		return answer_status(ipc);
	case MSG_master_reload:
		return may_act(ipc) ? answer_reload(ipc)
				    : control_refuse(ipc, 550, VIEW("not permitted"));
	case MSG_master_stop:
		return may_act(ipc) ? answer_stop(ipc)
				    : control_refuse(ipc, 550, VIEW("not permitted"));
	default:
		message_close_fd(m);
		return -EBADMSG;
	}
}

static void control_talk(void *argument)
{
	struct ipc *ipc = argument;
	struct message m;

	ipc_set_socket_name(ipc, "public/master");
	ipc_set_timeout(ipc, TALK_TIMEOUT);
	while (ipc_next_request(ipc, &m) == 0)
		if (control_answer(ipc, &m) < 0)
			break;
	ipc_free(ipc);
	control.connections--;
}

static void listen_for_commands(void *unused)
{
	(void)unused;
	while (task_wait_acceptable(control.fd, MSEC_FOREVER) == 0) {
		int fd = accept4(control.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			task_sleep(100);
		} else if (control.connections >= CONNECTIONS_MAX) {
			close(fd);
		} else {
			control.connections++;
			task_spawn("control", control_talk, ipc_new(fd));
		}
	}
}

int control_start(struct error *err)
{
	struct plan_socket s = { .name = (char *)"public/master",
				 .address = { .ss_family = AF_UNIX } };

	control.fd = socket_listen(&s);
	if (control.fd < 0)
		return error_set(err, control.fd, "cannot listen on public/master: %s",
				 strerror(-control.fd));
	control.since = clock_wall();
	task_spawn("control", listen_for_commands, NULL);
	return 0;
}
