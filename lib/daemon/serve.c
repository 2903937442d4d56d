/*
 * Accepting connections, one task for each. How many there may be is bounded; what is said on them
 * is the program's business.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "daemon/internal.h"
#include "daemon/upstream.h"
#include "table/table.h"

/* After accept() failed for want of descriptors or memory. */
#define SHORTAGE_PAUSE 1000
/* What a connection takes: itself, and a file or a connection to the program that works for it. */
#define FILES_PER_CONNECTION 2
/* Descriptors for tables, logs, and connections that are kept for the next. */
#define OTHER_FILES 128
/* Of a program that keeps others: one part of so many. */
#define FILES_KEPT_PART 4
/* Between two lines of the log that say that the limit is reached. */
#define LIMIT_NOTE_PAUSE ((msec_t)60 * 1000)
/* In which one that gives way is gone, or else another has to. */
#define ROOM_TIME ((msec_t)1000)
/* A full process looks so often whether a connection waits, and leaves it so long to the others. */
#define LOOK_TIME   ((msec_t)20)
#define OTHERS_TIME ((msec_t)5)

struct connection {
	struct list link; /* in serving.connections */
	const struct listener *listener;
	int fd;
	struct ipc *ipc; /* from another program; else NULL */
	uid_t uid;	 /* of its program */
	bool is_strange; /* one at a public socket, not root or ourselves */
	bool is_served;	 /* it has one of its user's places */
	struct peer peer;
};

static struct {
	const struct daemon_program *program;
	struct listener listeners[LISTEN_MAX];
	size_t listener_count;
	struct list connections;
	size_t connection_count, connection_limit;
	msec_t limit_noted;
	struct waitlist slots;	/* accepting tasks at the limit */
	struct waitlist places; /* strangers whose user has all its places taken */
} serving;

/* ---- one connection ---- */

static void fill_in_peer(struct connection *c)
{
	struct sockaddr_storage local = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(local);
	struct sockaddr_storage from = c->peer.address;

	peer_set_client(&c->peer, &from, c->peer.address_length);
	getsockname(c->fd, (struct sockaddr *)&local, &len);
	peer_set_server(&c->peer, &local);
}

/* ---- strangers ---- */

/*
 * Anybody on this system may connect to a public socket, as often as they like. Each user has some
 * places there, a few times as many may wait for one, and all together leave some connections for
 * root and the suite itself. What comes beyond is closed, so that nobody stands in another's way.
 */
#define WAITING_FACTOR 4

static size_t count_of_user(uid_t uid, bool served_only)
{
	size_t count = 0;

	list_for_each (&serving.connections, struct connection, link, c)
		if (c->ipc != NULL && c->uid == uid && (c->is_served || !served_only))
			count++;
	return count;
}

static bool stranger_has_room(uid_t uid)
{
	size_t places = (size_t)param.public_socket_connection_limit;

	return serving.connection_count < serving.connection_limit * 3 / 4 &&
	       count_of_user(uid, false) < places * WAITING_FACTOR;
}

/*
 * The suite's own programs: those of one user, whoever has got hold of them, leave connections for
 * the others and for root.
 */
static bool neighbour_has_room(uid_t uid)
{
	size_t most = MAX(serving.connection_limit * 3 / 4, (size_t)1);

	return serving.connection_count < most || count_of_user(uid, false) < most;
}

/* False: its turn did not come in time. */
static bool stranger_wait_place(const struct connection *c)
{
	msec_t deadline = clock_after(param.public_socket_timeout);

	while (count_of_user(c->uid, true) >= (size_t)param.public_socket_connection_limit)
		if (life_is_retiring() || wait_on(&serving.places, deadline) < 0)
			return false;
	return true;
}

static void serve_program(struct connection *c)
{
	if (c->is_strange) {
		ipc_set_timeout(c->ipc, param.public_socket_timeout);
		if (!stranger_wait_place(c))
			return;
		c->is_served = true;
	}
	serving.program->serve_ipc(c->ipc);
}

static void serve_one(void *argument)
{
	struct connection *c = argument;

	if (c->ipc != NULL) {
		serve_program(c);
		ipc_free(c->ipc);
	} else {
		struct stream *io = stream_new(c->fd);

		fill_in_peer(c);
		if (!upstream_is_expected() || upstream_receive(io, &c->peer) == 0)
			serving.program->serve_client(io, &c->peer);
		stream_close(io);
	}
	list_remove(&c->link);
	free(c);
	serving.connection_count--;
	metric_add(METRIC_connections_open, -1);
	wake_one(&serving.slots);
	wake_all(&serving.places);
	life_work_end();
}

/* False: whoever it is has nothing to say here, or too much. */
static bool connection_admit(struct connection *c, struct ipc *ipc, const char *socket_name)
{
	struct message_set may_send;
	bool has_room = true;
	pid_t pid;
	gid_t gid;

	c->uid = (uid_t)-1;
	(void)ipc_peer(ipc, &pid, &c->uid, &gid);
	if (!program_admits(daemon_entry(), socket_name, c->uid, &may_send)) {
		ipc_log_refusal(ipc, "connect");
		return false;
	}
	ipc_limit(ipc, &may_send);
	if (c->uid != 0 && (daemon_running_as_root() || c->uid != geteuid())) {
		c->is_strange = view_starts(view_of(socket_name), VIEW("public/"));
		has_room = c->is_strange ? stranger_has_room(c->uid) : neighbour_has_room(c->uid);
	}
	if (!has_room)
		ipc_log_refusal(ipc, "have so many connections");
	return has_room;
}

static void connection_start(const struct listener *listener, int fd,
			     const struct sockaddr_storage *from, socklen_t from_len)
{
	struct connection *c = mem_new(struct connection);
	struct ipc *ipc = NULL;

	if (from->ss_family == AF_UNIX && serving.program->serve_ipc != NULL) {
		ipc = ipc_new(fd);
		ipc_set_socket_name(ipc, listener->name);
		if (!connection_admit(c, ipc, listener->name)) {
			ipc_free(ipc);
			free(c);
			return;
		}
	}

	c->listener = listener;
	c->fd = fd;
	c->ipc = ipc;
	c->peer.address = *from;
	c->peer.address_length = from_len;
	list_push_back(&serving.connections, &c->link);
	serving.connection_count++;
	metric_add(METRIC_connections, 1);
	metric_add(METRIC_connections_open, 1);
	life_work_begin();
	task_spawn("connection", serve_one, c);
}

/* ---- accepting ---- */

/*
 * What a table says now must not be answered from what it said before. Programs without a chroot
 * open changed tables again themselves.
 */
static bool must_retire(void)
{
	if (daemon_entry()->root != DAEMON_ROOT_NONE && table_any_changed())
		life_retire();
	return life_is_retiring();
}

/* 0, or -ECANCELED when accepting is over. */
static int accept_one(const struct listener *listener)
{
	struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(from);
	int fd;

	if (must_retire())
		return -ECANCELED;
	fd = accept4(listener->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		connection_start(listener, fd, &from, len);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		log_error("accept on %s: %m", listener->name);
		task_sleep(SHORTAGE_PAUSE);
	}
	return 0;
}

size_t daemon_files_kept(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
		return INT32_MAX;
	return (size_t)files.rlim_cur / FILES_KEPT_PART;
}

/*
 * client_connection_limit, or what the limit of open files allows: a client that waits for its turn
 * is better off than one that is let in and then meets an error at each command.
 */
static size_t connection_limit(void)
{
	size_t limit = (size_t)param.client_connection_limit;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
		return limit;
	size_t others = MIN((size_t)files.rlim_cur / 4, (size_t)OTHER_FILES);

	if (serving.program->keeps_files)
		others += (size_t)files.rlim_cur / FILES_KEPT_PART;
	size_t room = ((size_t)files.rlim_cur - others) / FILES_PER_CONNECTION;

	return MIN(limit, MAX(room, (size_t)1));
}

static bool is_full(void)
{
	return serving.connection_count >= serving.connection_limit && !life_is_retiring();
}

static void limit_note(const struct listener *listener)
{
	if (clock_now() < serving.limit_noted)
		return;
	log_warning("%zu connections: others at %s have to wait", serving.connection_count,
		    listener->name);
	serving.limit_noted = clock_after(LIMIT_NOTE_PAUSE);
}

/* Others wait in the line of the listening socket, or go to another process of the service. */
static void wait_for_slot(const struct listener *listener)
{
	while (is_full()) {
		limit_note(listener);
		wait_on(&serving.slots, MSEC_FOREVER);
	}
}

static bool connection_waits(const struct listener *listener)
{
	struct pollfd fd = { .fd = listener->fd, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

/*
 * Until there is a slot. Another process of the service may have some: so this one does not listen
 * meanwhile, and only where a connection still waits after a while does somebody who can be spared
 * give way to it.
 */
static void make_slot(const struct listener *listener)
{
	while (is_full()) {
		wait_on(&serving.slots, clock_after(LOOK_TIME));
		if (!is_full() || !connection_waits(listener))
			continue;
		wait_on(&serving.slots, clock_after(OTHERS_TIME));
		if (!is_full() || !connection_waits(listener))
			continue;
		if (!serving.program->make_room())
			limit_note(listener);
		wait_on(&serving.slots, clock_after(ROOM_TIME));
	}
}

static void accept_all(void *argument)
{
	struct listener *listener = argument;
	int r = 0;

	while (r == 0) {
		if (serving.program->make_room == NULL)
			wait_for_slot(listener);
		else
			make_slot(listener);
		r = life_is_retiring() ? -ECANCELED
				       : task_wait_acceptable(listener->fd, MSEC_FOREVER);
		if (r == 0)
			r = accept_one(listener);
		if (r < 0 && r != -ECANCELED && r != -ESHUTDOWN) {
			/* The kernel has no memory for it now: who stopped here would be deaf for good. */
			log_error("waiting for connections on %s: %s", listener->name,
				  strerror(-r));
			task_sleep(SHORTAGE_PAUSE);
			r = 0;
		}
	}
	task_forget_fd(listener->fd);
	close(listener->fd);
	listener->fd = -1;
}

/* Connections inherit these from the listening socket. */
static void set_socket_options(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

void serve_start(const struct daemon_program *program, const struct birth *birth)
{
	serving.program = program;
	serving.connection_limit = connection_limit();
	list_init(&serving.connections);
	WAITLIST_INIT(&serving.slots);
	WAITLIST_INIT(&serving.places);
	ipc_set_retire_check(must_retire);
	for (size_t i = 0; i < birth->listener_count; i++) {
		struct listener *listener = &serving.listeners[serving.listener_count++];

		*listener = birth->listeners[i];
		set_socket_options(listener->fd);
		task_spawn("accept", accept_all, listener);
	}
}

void serve_retire(void)
{
	for (size_t i = 0; i < serving.listener_count; i++)
		if (serving.listeners[i].fd >= 0)
			task_forget_fd(serving.listeners[i].fd);
	wake_all(&serving.slots);
	wake_all(&serving.places);
	list_for_each (&serving.connections, struct connection, link, c)
		if (c->ipc != NULL)
			ipc_wake_idle(c->ipc);
}
