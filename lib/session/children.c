/* A user's process from its fork to its end, seen from its parent, and the connections that go to it. */
#include "session/children.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "services/clients.h"

#define CHILD_READY_TIME ((msec_t)60 * 1000) /* a child that is not ready by then is given up */
#define JOIN_TRIES	 3 /* a child may be leaving just when a connection comes for it */

struct list children_all = { &children_all, &children_all };
static const struct session_program *children_program;

/* ---- its connections ---- */

static void entry_free(struct entry *entry)
{
	list_remove(&entry->link);
	str_free(&entry->session);
	str_free(&entry->address);
	free(entry);
}

static void entry_add(struct child *child, const struct arrival *arrival)
{
	struct entry *entry = mem_new(struct entry);

	str_append(&entry->session, arrival->session);
	str_append(&entry->address, arrival->address);
	entry->since = arrival->since;
	entry->secured = arrival->secured;
	list_push_back(&child->entries, &entry->link);
}

static struct entry *entry_find(const struct child *child, struct view number)
{
	list_for_each (&child->entries, struct entry, link, entry)
		if (view_eq(str_view(&entry->session), number))
			return entry;
	return NULL;
}

static void entry_forget(struct child *child, struct view number)
{
	struct entry *entry = entry_find(child, number);

	if (entry != NULL)
		entry_free(entry);
}

size_t entry_count(const struct child *child)
{
	size_t count = 0;

	list_for_each (&child->entries, struct entry, link, entry)
		count++;
	return count;
}

void child_release(struct child *child)
{
	struct entry *entry;

	if (--child->references > 0)
		return;
	while ((entry = LIST_FIRST(&child->entries, struct entry, link)) != NULL)
		entry_free(entry);
	ipc_free(child->join);
	free(child->user);
	free(child->mail);
	free(child);
}

/* No connection is given to it any more. */
static void child_forget(struct child *child)
{
	list_remove(&child->link);
	child->state = child->state == STARTING ? FAILED : child->state == FAILED ? FAILED : LEFT;
	wake_all(&child->changed);
	if (child->account != NULL)
		account_settle(TAKE(child->account));
}

/* Its connections may sleep, if they can be watched and kept. Else it is not answered. */
static void child_tired(struct child *child, struct view folders)
{
	int r;

	if (child->state != READY)
		return;
	child->account =
		account_begin(child->user, child->mail, child->uid, folders, entry_count(child));
	if (child->account == NULL)
		return;
	child->state = RESTING;
	/* After what is on its way to it. */
	task_lock(&child->sending);
	r = ipc_send(child->join, session_rest);
	if (r == 0)
		r = ipc_flush(child->join);
	task_unlock(&child->sending);
	if (r < 0)
		log_debug("the session process of %s leaves", child->user);
}

static void child_awake(struct child *child)
{
	if (child->state != RESTING)
		return;
	child->state = READY;
	account_settle(TAKE(child->account));
	wake_all(&child->changed);
}

static void child_sleep(struct child *child, struct msg_session_sleep *m)
{
	struct entry *entry = entry_find(child, m->session);

	/* Nothing but what it was given. */
	if (entry != NULL && child->account != NULL && m->connection >= 0) {
		struct arrival arrival = {
			.session = str_view(&entry->session),
			.tag = m->tag,
			.address = str_view(&entry->address),
			.state = m->state,
			.since = entry->since,
			.quiet = m->quiet,
			.secured = entry->secured,
			.connection = m->connection,
		};

		/* Not listed twice. */
		list_remove(&entry->link);
		account_take(child->account, &arrival, m->flags);
		entry_free(entry);
	}
	if (m->connection >= 0)
		close(TAKE_FD(m->connection));
	/* What a client has said may be in it; the next process is another user's. */
	mem_wipe((void *)(uintptr_t)m->state.data, m->state.len);
}

/* One message of a child that is ready. Negative: it is not to say that. */
static int child_hear(struct child *child, struct message *m)
{
	switch (m->type) {
	case MSG_session_left:
		entry_forget(child, m->session_left.session);
		return 0;
	case MSG_session_tired:
		child_tired(child, m->session_tired.folders);
		return 0;
	case MSG_session_awake:
		child_awake(child);
		return 0;
	case MSG_session_sleep:
		child_sleep(child, &m->session_sleep);
		return 0;
	default:
		message_close_fd(m);
		return -EBADMSG;
	}
}

/* ---- the life of a child, seen from here ---- */

static void session_children_reap(void *unused)
{
	pid_t pid;
	int status;

	(void)unused;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (WIFSIGNALED(status))
			log_error("session process %d was ended by signal %d", (int)pid,
				  WTERMSIG(status));
		list_for_each (&children_all, struct child, link, child)
			if (child->pid == pid)
				child->pid = 0;
	}
}

/* Hears whether the child is ready, then waits for its end. */
static void watch_child(void *argument)
{
	struct child *child = argument;
	struct message_set may_send = { 0 };
	struct message m;
	int r;

	/* What comes with anything else, a descriptor too, ends with the connection. */
	message_set_add(&may_send, MSG_done);
	message_set_add(&may_send, MSG_session_left);
	if (children_program->lay_down != NULL) {
		message_set_add(&may_send, MSG_session_tired);
		message_set_add(&may_send, MSG_session_awake);
		message_set_add(&may_send, MSG_session_sleep);
	}
	ipc_limit(child->join, &may_send);
	ipc_set_timeout(child->join, CHILD_READY_TIME);
	ipc_finish_first(child->join, true);
	r = ipc_receive(child->join, &m);
	if (r == 0 && m.type == MSG_done) {
		child->state = READY;
		wake_all(&child->changed);
		ipc_set_timeout(child->join, MSEC_FOREVER);
		ipc_finish_first(child->join, false);
		/* It says which connections have ended or sleep, until it or this program ends. */
		while ((r = ipc_receive(child->join, &m)) == 0)
			if ((r = child_hear(child, &m)) < 0)
				break;
	}
	if (r != -ENODATA && r != -ESHUTDOWN && r != -ECONNRESET)
		log_error("session process of %s does not answer as it should", child->user);
	child_forget(child);
	if (child->pid > 0 && r != -ENODATA && r != -ECONNRESET)
		kill(child->pid, SIGTERM);
	if (r == -ESHUTDOWN) {
		/* Its clients are told good-bye; how long that may take is bounded by lib/daemon. */
		ipc_finish_first(child->join, true);
		while (ipc_receive(child->join, &m) == 0 && child_hear(child, &m) == 0)
			;
	}
	daemon_work_end();
	child_release(child);
}

void children_forget(void)
{
	list_for_each (&children_all, struct child, link, child) {
		mem_wipe(child->user, strlen(child->user));
		mem_wipe(child->mail, strlen(child->mail));
	}
	sleepers_forget();
}

static void be_child(const struct session_program *program, const struct user *user, int fd,
		     struct ipc *watch)
{
	struct birthright birth = { program, user, fd, watch };

	child_live(&birth);
}

static struct child *child_find(const char *user)
{
	list_for_each (&children_all, struct child, link, child)
		if (strcmp(child->user, user) == 0) {
			child->references++;
			return child;
		}
	return NULL;
}

/* NULL with the reason logged. */
static struct child *session_child_start(const struct session_program *program,
					 const struct user *user)
{
	_cleanup_(ipc_freep) struct ipc *watch =
		program->new_mail != NULL ? anvil_watch(view_of(user->name)) : NULL;
	struct child *other = child_find(user->name);
	int pair[2];
	pid_t pid;

	/* Another connection of this user was quicker. */
	if (other != NULL)
		return other;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		log_error("socketpair: %m");
		return NULL;
	}
	pid = fork();
	if (pid == 0)
		be_child(program, user, pair[1], watch);
	close(pair[1]);
	if (pid < 0) {
		log_error("fork: %m");
		close(pair[0]);
		return NULL;
	}

	struct child *child = mem_new(struct child);

	child->user = mem_strdup(user->name);
	child->mail = mem_strdup(user->mail);
	child->uid = user->uid;
	child->pid = pid;
	child->join = ipc_new(pair[0]);
	list_init(&child->entries);
	child->references = 2; /* the task's and the caller's */
	WAITLIST_INIT(&child->changed);
	WAITLIST_INIT(&child->sending.waiting);
	list_push_back(&children_all, &child->link);
	daemon_work_begin();
	task_spawn("child", watch_child, child);
	return child;
}

/* 0: the child has the connection; -EAGAIN: ask for another child; others: no. */
static int session_child_join(struct child *child, const struct arrival *arrival)
{
	msec_t deadline = clock_after(CHILD_READY_TIME);
	int r = 0;

	while ((child->state == STARTING || child->state == RESTING) && r == 0)
		r = wait_on(&child->changed, deadline);
	/* It may have been ready and gone before our turn came. */
	if (child->state != READY)
		return child->state == LEFT ? -EAGAIN : -EIO;
	task_lock(&child->sending);
	/* Before the child may say that it has ended. */
	entry_add(child, arrival);
	r = child->state != READY
		    ? -EPIPE
		    : ipc_send(child->join, session_join, .session = arrival->session,
			       .tag = arrival->tag, .input = arrival->input,
			       .client_address = arrival->address, .state = arrival->state,
			       .quiet = arrival->quiet, .secured = arrival->secured,
			       .connection = arrival->connection);
	if (r == 0)
		r = ipc_flush(child->join);
	task_unlock(&child->sending);
	/* By its number: while this waited, the child may have said that it has ended. */
	if (r < 0)
		entry_forget(child, arrival->session);
	if (r < 0 && child->state == READY) {
		/* It had been idle for long enough and is leaving. */
		list_remove(&child->link);
		return -EAGAIN;
	}
	return r < 0 ? -EAGAIN : 0;
}

int hand_to_child(const struct user *user, const struct arrival *arrival)
{
	int r = -EAGAIN;

	for (int i = 0; i < JOIN_TRIES && r == -EAGAIN; i++) {
		struct child *child = child_find(user->name);

		/* One that logs in, while others of the user sleep. */
		if (child == NULL && arrival->state.len == 0)
			sleepers_wake(user->name);
		if (child == NULL)
			child = session_child_start(children_program, user);
		if (child == NULL)
			return -EIO;
		r = session_child_join(child, arrival);
		child_release(child);
	}
	return r;
}

void children_open(const struct session_program *program)
{
	children_program = program;
}

void children_start(void)
{
	task_on_signal(SIGCHLD, session_children_reap, NULL);
}
