/* The parent that makes a process for each user. It reads no mail and no command. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "services/clients.h"
#include "session/internal.h"

#define CHILD_READY_TIME ((msec_t)60 * 1000) /* a child that is not ready by then is given up */
#define JOIN_TRIES	 3 /* a child may be leaving just when a connection comes for it */
#define TEMPORARY	 "The mailbox is not available now, please try again later"

/* A user's process, as the parent sees it. */
struct child {
	struct list link;
	char *user;
	pid_t pid; /* 0: has been waited for */
	struct ipc *join;
	enum { STARTING, READY, LEFT, FAILED } state; /* FAILED: it never was ready */
	struct waitlist changed;
	struct task_lock sending;
	unsigned references;
	struct list entries; /* its connections */
};

/* What a line of that has, packed: lengths of user, address and number. */
struct session_line {
	size_t length[3];
	int64_t since;
	bool secured;
};

/* A connection, as `posta who` shows it. */
struct entry {
	struct list link; /* in child->entries */
	struct str session, address;
	int64_t since;
	bool secured;
};

static struct {
	bool set_up;
	struct list children;
} parent;

static void session_child_set_up(void)
{
	if (parent.set_up)
		return;
	list_init(&parent.children);
	parent.set_up = true;
}

static void entry_free(struct entry *entry)
{
	list_remove(&entry->link);
	str_free(&entry->session);
	str_free(&entry->address);
	free(entry);
}

static void entry_add(struct child *child, const struct msg_session *session, struct view number)
{
	struct entry *entry = mem_new(struct entry);

	str_append(&entry->session, number);
	str_append(&entry->address, session->client_address);
	entry->since = clock_wall();
	entry->secured = session->secured != 0;
	list_push_back(&child->entries, &entry->link);
}

static void entry_forget(struct child *child, struct view number)
{
	list_for_each (&child->entries, struct entry, link, entry)
		if (view_eq(str_view(&entry->session), number)) {
			entry_free(entry);
			return;
		}
}

static void child_release(struct child *child)
{
	struct entry *entry;

	if (--child->references > 0)
		return;
	while ((entry = LIST_FIRST(&child->entries, struct entry, link)) != NULL)
		entry_free(entry);
	ipc_free(child->join);
	free(child->user);
	free(child);
}

/* No connection is given to it any more. */
static void child_forget(struct child *child)
{
	list_remove(&child->link);
	child->state = child->state == STARTING ? FAILED
		       : child->state == READY	? LEFT
						: child->state;
	wake_all(&child->changed);
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
		list_for_each (&parent.children, struct child, link, child)
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
	ipc_limit(child->join, &may_send);
	ipc_set_timeout(child->join, CHILD_READY_TIME);
	ipc_finish_first(child->join, true);
	r = ipc_receive(child->join, &m);
	if (r == 0 && m.type == MSG_done) {
		child->state = READY;
		wake_all(&child->changed);
		ipc_set_timeout(child->join, MSEC_FOREVER);
		ipc_finish_first(child->join, false);
		/* It says which connections have ended, until it or this program does. */
		while ((r = ipc_receive(child->join, &m)) == 0 && m.type == MSG_session_left)
			entry_forget(child, m.session_left.session);
	}
	if (r != -ENODATA && r != -ESHUTDOWN && r != -ECONNRESET)
		log_error("session process of %s does not answer as it should", child->user);
	child_forget(child);
	if (child->pid > 0 && r != -ENODATA && r != -ECONNRESET)
		kill(child->pid, SIGTERM);
	if (r == -ESHUTDOWN) {
		/* Its clients are told good-bye; how long that may take is bounded by lib/daemon. */
		ipc_finish_first(child->join, true);
		while (ipc_receive(child->join, &m) == 0 && m.type == MSG_session_left)
			entry_forget(child, m.session_left.session);
	}
	daemon_work_end();
	child_release(child);
}

void children_forget(void)
{
	list_for_each (&parent.children, struct child, link, child)
		mem_wipe(child->user, strlen(child->user));
}

static void be_child(const struct session_program *program, const struct user *user, int fd,
		     struct ipc *watch)
{
	struct birthright birth = { program, user, fd, watch };

	child_live(&birth);
}

static struct child *child_find(const char *user)
{
	list_for_each (&parent.children, struct child, link, child)
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
	child->pid = pid;
	child->join = ipc_new(pair[0]);
	list_init(&child->entries);
	child->references = 2; /* the task's and the caller's */
	WAITLIST_INIT(&child->changed);
	WAITLIST_INIT(&child->sending.waiting);
	list_push_back(&parent.children, &child->link);
	daemon_work_begin();
	task_spawn("child", watch_child, child);
	return child;
}

/* ---- a login ---- */

/* 0: the child has the connection; -EAGAIN: ask for another child; others: no. */
static int session_child_join(struct child *child, const struct msg_session *session,
			      struct view number)
{
	msec_t deadline = clock_after(CHILD_READY_TIME);
	int r = 0;

	while (child->state == STARTING && r == 0)
		r = wait_on(&child->changed, deadline);
	/* It may have been ready and gone before our turn came. */
	if (child->state != READY)
		return child->state == LEFT ? -EAGAIN : -EIO;
	task_lock(&child->sending);
	/* Before the child may say that it has ended. */
	entry_add(child, session, number);
	r = child->state != READY
		    ? -EPIPE
		    : ipc_send(child->join, session_join, .session = number, .tag = session->tag,
			       .input = session->input, .client_address = session->client_address,
			       .secured = session->secured, .connection = session->connection);
	if (r == 0)
		r = ipc_flush(child->join);
	task_unlock(&child->sending);
	/* By its number: while this waited, the child may have said that it has ended. */
	if (r < 0)
		entry_forget(child, number);
	if (r < 0 && child->state == READY) {
		/* It had been idle for long enough and is leaving. */
		list_remove(&child->link);
		return -EAGAIN;
	}
	return r < 0 ? -EAGAIN : 0;
}

static int hand_to_child(const struct session_program *program, const struct user *user,
			 const struct msg_session *session, struct view number)
{
	int r = -EAGAIN;

	for (int i = 0; i < JOIN_TRIES && r == -EAGAIN; i++) {
		struct child *child = child_find(user->name);

		if (child == NULL)
			child = session_child_start(program, user);
		if (child == NULL)
			return -EIO;
		r = session_child_join(child, session, number);
		child_release(child);
	}
	return r;
}

/* Whom the cookie stands for. 0 with the user, or a negative errno with the answer's reason. */
static int identify(const struct session_program *program, const struct msg_session *session,
		    struct user *user, struct str *number, uint8_t *why)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = auth_redeem(session->cookie, view_of(program->service), &name, number);

	*why = r == -EACCES ? AUTH_FAIL_CREDENTIALS : AUTH_FAIL_TEMPORARY;
	if (r < 0) {
		log_error("login from %.*s: cookie %s", VIEW_ARG(session->client_address),
			  r == -EACCES ? "refused by auth" : "could not be checked");
		return r;
	}
	r = user_find_as(str_view(&name), view_of(program->service), user, &err);
	/* auth has looked at it too; who becomes the user does not take its word for it. */
	if (r == 1 && user->system && daemon_running_as_root() &&
	    (int64_t)user->uid < param.first_valid_uid) {
		user_free(user);
		r = error_set(&err, -EPERM, "the uid is below first_valid_uid");
	}
	if (r == 1)
		return 0;
	log_error("user=<%s>: %s", str_cstr(&name), r == 0 ? "not found any more" : err.text);
	return r < 0 ? r : -ENOENT;
}

static int serve_session(struct ipc *ipc, const struct session_program *program,
			 struct msg_session *session)
{
	_cleanup_(str_free) struct str number = STR_EMPTY;
	struct user user;
	uint8_t why;
	int r = identify(program, session, &user, &number, &why);

	if (r == 0) {
		r = hand_to_child(program, &user, session, str_view(&number));
		user_free(&user);
	}
	if (session->connection >= 0)
		close(TAKE_FD(session->connection));
	if (r < 0)
		return ipc_send(ipc, auth_failed, .why = why, .text = VIEW(TEMPORARY));
	metric_add(METRIC_logins, 1);
	return ipc_send(ipc, done);
}

/* ---- who is logged in, and who is sent away ---- */

/*
 * Packed before anything is sent: while this waits, children come and go. The numbers of a list
 * of logins are bounded by the memory of the children that have them.
 */
static int answer_list(struct ipc *ipc)
{
	_cleanup_free_ struct session_line *lines = NULL;
	_cleanup_(str_free) struct str text = STR_EMPTY;
	size_t count = 0, at = 0;
	int r = 0;

	list_for_each (&parent.children, struct child, link, child)
		list_for_each (&child->entries, struct entry, link, entry) {
			lines = mem_resize(lines, count + 1, sizeof(*lines));
			lines[count++] = (struct session_line){
				{ strlen(child->user), entry->address.len, entry->session.len },
				entry->since,
				entry->secured,
			};
			str_append_cstr(&text, child->user);
			str_append(&text, str_view(&entry->address));
			str_append(&text, str_view(&entry->session));
		}
	for (size_t i = 0; i < count && r == 0; i++) {
		struct view parts[3];

		for (size_t part = 0; part < 3; part++) {
			parts[part] = view_make(text.data + at, lines[i].length[part]);
			at += lines[i].length[part];
		}
		r = ipc_send(ipc, session_entry, .user = parts[0], .client_address = parts[1],
			     .session = parts[2], .since = lines[i].since,
			     .secured = lines[i].secured);
	}
	return r < 0 ? r : ipc_send(ipc, done);
}

/* All of a user's at once: their clients are told good-bye. The number of them. */
static uint32_t kick_user(struct child *child)
{
	uint32_t count = 0;

	list_for_each (&child->entries, struct entry, link, entry)
		count++;
	if (child->pid > 0)
		kill(child->pid, SIGTERM);
	return count;
}

static uint32_t kick_address(struct child *child, struct view address)
{
	_cleanup_(str_free) struct str numbers = STR_EMPTY;
	struct view rest, number;
	uint32_t count = 0;

	list_for_each (&child->entries, struct entry, link, entry)
		if (view_eq(str_view(&entry->address), address))
			str_printf(&numbers, "%s ", str_cstr(&entry->session));
	rest = str_view(&numbers);
	task_lock(&child->sending);
	while (view_next_word(&rest, " ", &number))
		if (ipc_send(child->join, session_end, .session = number) == 0)
			count++;
	(void)ipc_flush(child->join);
	task_unlock(&child->sending);
	return count;
}

static int answer_kick(struct ipc *ipc, struct view who)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct child **found = NULL;
	size_t matching = 0;
	uint32_t count = 0;

	str_append_lower(&name, who);
	list_for_each (&parent.children, struct child, link, child) {
		if (strcmp(child->user, str_cstr(&name)) == 0) {
			count += kick_user(child);
			continue;
		}
		/* Kept while the others are told, which waits. */
		child->references++;
		found = mem_resize(found, matching + 1, sizeof(struct child *));
		found[matching++] = child;
	}
	for (size_t i = 0; i < matching; i++) {
		count += kick_address(found[i], str_view(&name));
		child_release(found[i]);
	}
	free(found);
	if (count > 0)
		log_info("%u sessions of %s ended by the administrator", count, str_cstr(&name));
	return ipc_send(ipc, session_kicked, .count = count);
}

static int answer_session(struct ipc *ipc, const struct session_program *program, struct message *m)
{
	switch (m->type) {
	case MSG_session_list:
		return answer_list(ipc);
	case MSG_session_kick:
		return answer_kick(ipc, m->session_kick.who);
	case MSG_session:
		if (m->session.connection >= 0)
			return serve_session(ipc, program, &m->session);
		break;
	default:
		break;
	}
	log_error("unexpected message %s", message_name(m->type));
	message_close_fd(m);
	return -EBADMSG;
}

void session_serve_ipc(struct ipc *ipc, const struct session_program *program)
{
	struct message m;

	session_child_set_up();
	while (ipc_next_request(ipc, &m) == 0)
		if (answer_session(ipc, program, &m) < 0 || ipc_flush(ipc) < 0)
			return;
}

void session_start(void)
{
	session_child_set_up();
	task_on_signal(SIGCHLD, session_children_reap, NULL);
}

/*
 * Children live on until their clients have gone: each counts as work of this process, which stays to
 * pass on the order to stop.
 */
void session_retire(void)
{
	session_child_set_up();
	list_for_each (&parent.children, struct child, link, child)
		if (child->state == READY)
			log_debug("the session process of %s stays for its clients", child->user);
}
