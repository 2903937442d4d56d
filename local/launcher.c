/*
 * The process from which the children that run commands come. It is made before local-deliver is
 * confined, for what a command may be (a set-gid program, anything) local-deliver itself may not be;
 * it reads nothing but whom to become, from local-deliver alone.
 */
#include "deliver.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "task/task.h"

static struct {
	pid_t pid;
	struct ipc *ipc; /* our end */
	struct task_lock sending;
	int fd; /* in the launcher: its end */
} launcher;

/* ---- in the launcher ---- */

static void launcher_reap(void *unused)
{
	pid_t pid;
	int status;

	(void)unused;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (WIFSIGNALED(status))
			log_warning("delivering process %d was ended by signal %d", (int)pid,
				    WTERMSIG(status));
}

static void launcher_fork(const struct msg_launch *m)
{
	_cleanup_free_ char *name = mem_strndup(m->user.data, m->user.len);
	_cleanup_free_ char *root = mem_strndup(m->chroot.data, m->chroot.len);
	const struct target target = { .uid = m->uid,
				       .gid = m->gid,
				       .name = name,
				       .chroot = m->chroot.len > 0 ? root : NULL };
	pid_t pid = fork();

	if (pid == 0) {
		task_after_fork();
		child_close_others(m->connection);
		child_serve(m->connection, WORKER_RUN, &target);
	}
	if (pid < 0)
		log_error("make a delivering process: %m");
	close(m->connection);
}

static void launcher_serve(void *unused)
{
	struct message_set may_send = { 0 };
	struct ipc *ipc = ipc_new(launcher.fd);
	struct message m;

	(void)unused;
	task_on_signal(SIGCHLD, launcher_reap, NULL);
	message_set_add(&may_send, MSG_launch);
	ipc_limit(ipc, &may_send);
	ipc_set_timeout(ipc, MSEC_FOREVER);
	while (ipc_receive(ipc, &m) == 0 && m.launch.connection >= 0)
		launcher_fork(&m.launch);
	log_flush();
	_exit(0);
}

static void launcher_live(void) __attribute__((noreturn));
static void launcher_live(void)
{
	struct error err = ERROR_NONE;

	child_close_others(launcher.fd);
	if (daemon_confine_launcher(&err) < 0) {
		log_error("%s", err.text);
		_exit(1);
	}
	log_gather();
	task_run(launcher_serve, NULL);
	_exit(0);
}

/* ---- in local-deliver ---- */

int launcher_start(struct error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return error_errno(err, "make a socket pair");
	launcher.pid = fork();
	if (launcher.pid < 0) {
		close(pair[0]);
		close(pair[1]);
		return error_errno(err, "make the process that runs commands");
	}
	if (launcher.pid == 0) {
		launcher.fd = pair[1];
		launcher_live();
	}
	close(pair[1]);
	WAITLIST_INIT(&launcher.sending.waiting);
	launcher.ipc = ipc_new(pair[0]);
	return 0;
}

int launcher_make_child(const struct target *target, int connection, struct error *err)
{
	int r;

	/* Sending may wait, and others want to send then. */
	task_lock(&launcher.sending);
	r = ipc_send(launcher.ipc, launch, .uid = target->uid, .gid = target->gid,
		     .user = view_first(view_of(target->name), IPC_ADDRESS_MAX),
		     .chroot = view_of(target->chroot), .connection = connection);
	if (r == 0)
		r = ipc_flush(launcher.ipc);
	task_unlock(&launcher.sending);
	return r < 0 ? error_set(err, r, "make a delivering process: %s", strerror(-r)) : 0;
}

bool launcher_was(pid_t pid)
{
	return pid == launcher.pid;
}
