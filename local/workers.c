/*
 * The children of local-deliver: made when a user has something to be done, kept a while for the
 * next, and shared out so that nobody takes all places.
 */
#include "deliver.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "task/task.h"

#define PLACE_TIMEOUT ((msec_t)120 * 1000)
/* A user gets another child when the ones there are have been busy for so long. */
#define PATIENCE   ((msec_t)200)
#define IDLE_CHECK ((msec_t)5000)
/* Beyond command_time_limit, which the child keeps: writing and waiting for locks. */
#define CHILD_TIMEOUT ((msec_t)300 * 1000)

struct worker {
	struct list link; /* in `all` */
	enum worker_kind kind;
	uid_t uid;
	gid_t gid;
	pid_t pid; /* 0: it has ended; -1: not a child of ours, its connection tells */
	struct ipc *ipc;
	bool busy;
	char *user;   /* for whom it is busy; many may share an uid */
	char *chroot; /* NULL: none */
	msec_t idle_since;
};

static struct {
	struct list all; /* the one used last is at the front */
	size_t count[WORKER_KINDS];
	struct waitlist places[WORKER_KINDS];
} workers;

static void worker_end(struct worker *worker)
{
	list_remove(&worker->link);
	workers.count[worker->kind]--;
	free(worker->user);
	free(worker->chroot);
	ipc_free(worker->ipc); /* the end of its input ends the child */
	wake_all(&workers.places[worker->kind]);
	free(worker);
}

/* ---- the end of children ---- */

static void note_end(pid_t pid, int status)
{
	struct worker *ended = NULL;

	list_for_each (&workers.all, struct worker, link, worker)
		if (worker->pid == pid)
			ended = worker;
	if (WIFSIGNALED(status))
		log_warning("delivering process %d was ended by signal %d", (int)pid,
			    WTERMSIG(status));
	if (launcher_was(pid)) {
		log_error("the process that makes those that run commands has ended");
		daemon_retire(); /* a successor has a new one */
	}
	if (ended == NULL)
		return;
	ended->pid = 0;
	if (!ended->busy)
		worker_end(ended);
}

static void workers_reap(void *unused)
{
	pid_t pid;
	int status;

	(void)unused;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		note_end(pid, status);
}

static struct worker *longest_idle(enum worker_kind kind)
{
	struct worker *found = NULL;

	list_for_each (&workers.all, struct worker, link, worker)
		if (worker->kind == kind && !worker->busy)
			found = worker;
	return found;
}

static void end_idle(void *unused)
{
	(void)unused;
	for (;;) {
		task_sleep(IDLE_CHECK);
		for (int kind = WORKER_STORE; kind < WORKER_KINDS; kind++) {
			struct worker *worker;

			while ((worker = longest_idle((enum worker_kind)kind)) != NULL &&
			       clock_now() - worker->idle_since >= param.local_deliver_idle)
				worker_end(worker);
		}
	}
}

void workers_start(void)
{
	list_init(&workers.all);
	for (int kind = WORKER_STORE; kind < WORKER_KINDS; kind++)
		WAITLIST_INIT(&workers.places[kind]);
	task_on_signal(SIGCHLD, workers_reap, NULL);
	task_spawn("idle children", end_idle, NULL);
}

/* ---- making children ---- */

/* Those that store are children of ours; those that run commands are the launcher's: *pid is -1. */
static int worker_fork(enum worker_kind kind, const struct target *target, int connection,
		       pid_t *pid, struct error *err)
{
	*pid = -1;
	if (kind != WORKER_STORE)
		return launcher_make_child(target, connection, err);
	*pid = fork();
	if (*pid == 0) {
		task_after_fork();
		target_forget();
		child_close_others(connection);
		child_serve(connection, kind, target);
	}
	return *pid < 0 ? error_errno(err, "make a delivering process") : 0;
}

static struct worker *worker_make(enum worker_kind kind, const struct target *target,
				  struct error *err)
{
	struct worker *worker;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		error_errno(err, "make a socket pair");
		return NULL;
	}
	if (worker_fork(kind, target, pair[1], &pid, err) < 0) {
		close(pair[0]);
		close(pair[1]);
		return NULL;
	}
	close(pair[1]);
	worker = mem_new(struct worker);
	worker->kind = kind;
	worker->uid = target->uid;
	worker->gid = target->gid;
	worker->chroot = target->chroot != NULL ? mem_strdup(target->chroot) : NULL;
	worker->pid = pid;
	worker->ipc = ipc_new(pair[0]);
	ipc_finish_first(worker->ipc, true);
	ipc_set_timeout(worker->ipc, param.command_time_limit + CHILD_TIMEOUT);
	list_push_front(&workers.all, &worker->link);
	workers.count[kind]++;
	return worker;
}

static bool worker_acts_as(const struct worker *worker, const struct target *target)
{
	const char *theirs = worker->chroot != NULL ? worker->chroot : "";

	return worker->uid == target->uid && worker->gid == target->gid &&
	       strcmp(theirs, target->chroot != NULL ? target->chroot : "") == 0;
}

/* One that acts as this user. *busy: there is one, but it is at work. */
static struct worker *find_idle(enum worker_kind kind, const struct target *target, bool *busy)
{
	*busy = false;
	list_for_each (&workers.all, struct worker, link, worker) {
		if (worker->kind != kind || !worker_acts_as(worker, target))
			continue;
		if (!worker->busy)
			return worker;
		*busy = true;
	}
	return NULL;
}

/* Whoever has a lot of slow commands leaves the rest of the places to others. */
static bool has_its_share(enum worker_kind kind, const struct target *target)
{
	size_t share = target->share > 0 ? target->share : (size_t)param.local_deliver_user_limit;
	size_t limit = MIN(share, (size_t)MAX(param.local_deliver_children / 2, 1));
	size_t count = 0;

	list_for_each (&workers.all, struct worker, link, worker)
		count += worker->kind == kind && worker->busy && worker->uid == target->uid &&
			 strcmp(worker->user, target->name) == 0;
	return count >= limit;
}

struct worker *worker_take(enum worker_kind kind, const struct target *target, struct error *err)
{
	msec_t deadline = clock_after(PLACE_TIMEOUT), another = clock_after(PATIENCE);
	size_t limit = (size_t)param.local_deliver_children;
	struct worker *worker;

	for (;;) {
		bool busy, share = has_its_share(kind, target);

		while ((worker = find_idle(kind, target, &busy)) != NULL &&
		       !ipc_is_alive(worker->ipc))
			worker_end(worker);
		if (worker != NULL && !share)
			break;
		worker = NULL;
		/* To wait for one of the user's own costs less than to make another. */
		bool patient = busy && clock_now() < another;

		/* Somebody else's idle one makes room, but not for a second one. */
		if (workers.count[kind] >= limit && !busy && !share &&
		    (worker = longest_idle(kind)) != NULL)
			worker_end(worker);
		if (workers.count[kind] < limit && !patient && !share) {
			worker = worker_make(kind, target, err);
			break;
		}
		if (wait_on(&workers.places[kind], patient ? another : deadline) < 0 &&
		    clock_now() >= deadline) {
			error_set(err, -EBUSY, "all delivering processes are busy");
			return NULL;
		}
	}
	if (worker == NULL)
		return NULL;
	worker->busy = true;
	worker->user = mem_strdup(target->name);
	list_remove(&worker->link);
	list_push_front(&workers.all, &worker->link);
	return worker;
}

struct ipc *worker_ipc(struct worker *worker)
{
	return worker->ipc;
}

void worker_give_back(struct worker *worker, bool healthy)
{
	worker->busy = false;
	free(TAKE(worker->user));
	worker->idle_since = clock_now();
	if (!healthy || worker->pid == 0) {
		worker_end(worker);
		return;
	}
	/* All: who waits for another user's child would keep this one from those that want it. */
	wake_all(&workers.places[worker->kind]);
}
