/* The socket on which root speaks with master. Nobody else is listened to. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "master.h"
#include "task/task.h"

#define CONNECTIONS_MAX 32
#define TALK_TIMEOUT	10000 /* for a question, and to take the answer */

static struct {
	int fd;
	size_t connections;
} control = { .fd = -1 };

/* Root, and whom the instance belongs to. The socket's mode says so too. */
static bool may_ask(struct ipc *ipc)
{
	pid_t pid;
	uid_t uid;
	gid_t gid;

	return ipc_peer(ipc, &pid, &uid, &gid) == 0 && (uid == 0 || uid == geteuid());
}

/* Packed as a whole first: while it is sent, what it tells of may end. */
static int answer_status(struct ipc *ipc)
{
	_cleanup_(str_free) struct str bytes = STR_EMPTY;

	processes_ask();
	processes_wait_answers(clock_after(PROCESS_ANSWER_TIME));
	publish_pack(&bytes);
	return ipc_send_bytes(ipc, str_view(&bytes));
}

static int answer_metrics(struct ipc *ipc)
{
	_cleanup_(str_free) struct str bytes = STR_EMPTY;

	list_for_each (services_list(), struct running_service, link, service)
		for (enum metric m = 0; m < METRIC_COUNT; m++)
			(void)ipc_pack(&bytes, metric, .service = view_of(service->key),
				       .number = m, .value = metrics_of_service(service, m));
	(void)ipc_pack(&bytes, done);
	return ipc_send_bytes(ipc, str_view(&bytes));
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
	services_changed();
	while (r == 0)
		task_sleep(1000);
	return r;
}

static int control_answer(struct ipc *ipc, struct message *m)
{
	switch (m->type) {
	case MSG_master_status:
		return answer_status(ipc);
	case MSG_master_metrics:
		return answer_metrics(ipc);
	case MSG_master_reload:
		return answer_reload(ipc);
	case MSG_master_stop:
		return answer_stop(ipc);
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
	if (!may_ask(ipc))
		ipc_log_refusal(ipc, "connect");
	else
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
				 .address = { .ss_family = AF_UNIX },
				 .owner_only = true };

	control.fd = socket_listen(&s);
	if (control.fd < 0)
		return error_set(err, control.fd, "cannot listen on public/master: %s",
				 strerror(-control.fd));
	task_spawn("control", listen_for_commands, NULL);
	return 0;
}
