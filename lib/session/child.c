/*
 * A child that becomes its user and serves that user's connections. It knows one user and forgets
 * everything about others.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "session/internal.h"
#include "store/deliver.h"
#include "store/store.h"

#define TELL_PAUSE ((msec_t)100)
/* The parent does nothing but read what a process that goes to sleep says. */
#define LAST_WORDS_TIME ((msec_t)10 * 1000)
/* Until those that have slept are where they were. */
#define SPARE_PAUSE ((msec_t)20)
#define SPARE_TRIES 25

static struct {
	const struct session_program *program;
	struct session_user user;
	struct ipc *join, *watch;
	struct list clients;
	size_t connections;
	msec_t idle_since;   /* the last one has gone */
	bool waits_for_idle; /* a task looks whether it stays so */
	bool leaving;	     /* nothing comes from the parent any more */
	struct waitlist done;
	bool telling; /* a task will send what was said to the parent */
	struct task_lock sending;
} self;

/* A connection, copied out of the message that brought it. */
struct client {
	struct list link; /* in self.clients */
	int fd;
	struct str tag, input, address, session, state;
	msec_t quiet;
	struct stream *io; /* while it is served */
	bool secured, refused;
};

static void client_free(struct client *client)
{
	list_remove(&client->link);
	if (client->fd >= 0)
		close(client->fd);
	str_free(&client->tag);
	str_free(&client->input);
	str_free(&client->address);
	str_free(&client->session);
	str_free(&client->state);
	free(client);
}

/* ---- leaving ---- */

/*
 * Nobody came for a while. The parent's next attempt to hand over a connection fails from here on, so
 * that it starts another process; one that is under way already is still read.
 */
static void leave_when_idle(void *unused)
{
	msec_t patience = self.program->idle_exit != NULL ? self.program->idle_exit() : 0, left;

	(void)unused;
	while (self.connections == 0 && (left = self.idle_since + patience - clock_now()) > 0)
		task_sleep(left);
	self.waits_for_idle = false;
	if (self.connections == 0)
		shutdown(ipc_fd(self.join), SHUT_RD);
}

/* One task waits, however many connections come and go meanwhile. */
static void begin_to_be_idle(void)
{
	self.idle_since = clock_now();
	if (self.waits_for_idle)
		return;
	self.waits_for_idle = true;
	task_spawn("idle", leave_when_idle, NULL);
}

static void note_end_of_connection(void)
{
	self.connections--;
	if (self.connections > 0)
		return;
	if (self.leaving)
		wake_all(&self.done);
	else
		begin_to_be_idle();
}

static void session_child_end_when_late(void *unused)
{
	(void)unused;
	task_sleep(param.service_stop_time);
	log_warning("%zu connections have not ended within service_stop_time", self.connections);
	_exit(0);
}

static void session_child_stop(void *unused)
{
	(void)unused;
	if (task_is_shutting_down())
		return;
	task_shut_down();
	task_spawn("end when late", session_child_end_when_late, NULL);
}

/* ---- connections ---- */

/* Several at a time: the parent need not wake for each. */
static void tell_the_parent(void *unused)
{
	(void)unused;
	task_sleep(TELL_PAUSE);
	self.telling = false;
	task_lock(&self.sending);
	(void)ipc_flush(self.join);
	task_unlock(&self.sending);
}

/* For the parent's list of who is logged in. */
static void tell_that_it_left(const struct client *client)
{
	int r;

	task_lock(&self.sending);
	r = ipc_send(self.join, session_left, .session = str_view(&client->session));
	task_unlock(&self.sending);
	if (r < 0 || self.telling)
		return;
	self.telling = true;
	task_spawn("tell", tell_the_parent, NULL);
}

/* The administrator wants it to end: its input does. */
static void end_connection(struct view session)
{
	list_for_each (&self.clients, struct client, link, client)
		if (client->io != NULL && view_eq(str_view(&client->session), session))
			shutdown(stream_fd(client->io), SHUT_RD);
}

static void serve_connection(void *argument)
{
	struct client *client = argument;
	struct session_client known = {
		.user = &self.user,
		.tag = str_view(&client->tag),
		.state = str_view(&client->state),
		.quiet = client->quiet,
		.address = str_view(&client->address),
		.secured = client->secured,
	};
	struct stream *io = stream_new(TAKE_FD(client->fd));

	client->io = io;
	if (client->input.len > 0)
		stream_push_back(io, str_view(&client->input));
	str_free(&client->input);
	if (!client->refused)
		self.program->serve(io, &known);
	else if (self.program->refuse != NULL)
		self.program->refuse(io, &known);
	client->io = NULL;
	stream_close(io);
	tell_that_it_left(client);
	client_free(client);
	note_end_of_connection();
}

/* Connections from the same address, those that are refused not counted. */
static int64_t count_from(struct view address)
{
	int64_t count = 0;

	list_for_each (&self.clients, struct client, link, client)
		count += !client->refused && view_eq(str_view(&client->address), address);
	return count;
}

/* One of this address makes room, if there is one that does nothing. */
static bool spare_connection(struct view address)
{
	if (self.program->give_way == NULL)
		return false;
	list_for_each (&self.clients, struct client, link, client)
		if (!client->refused && client->io != NULL &&
		    view_eq(str_view(&client->address), address) &&
		    self.program->give_way(client->io)) {
			client->refused = true;
			return true;
		}
	return false;
}

static bool has_just_woken(struct view address)
{
	list_for_each (&self.clients, struct client, link, client)
		if (client->state.len > 0 && view_eq(str_view(&client->address), address))
			return true;
	return false;
}

/* Too many of this address, and none of them gives way. Those that have slept may not be at rest yet. */
static bool is_one_too_many(struct view address)
{
	int64_t max = self.program->connections_max != NULL ? self.program->connections_max() : 0;
	unsigned tries = SPARE_TRIES;

	if (max <= 0 || count_from(address) < max)
		return false;
	while (!spare_connection(address)) {
		if (!has_just_woken(address) || tries-- == 0)
			return true;
		task_sleep(SPARE_PAUSE);
	}
	return false;
}

static void accept_connection(struct msg_session_join *join)
{
	struct client *client = mem_new(struct client);

	client->fd = TAKE_FD(join->connection);
	str_append(&client->tag, join->tag);
	str_append(&client->input, join->input);
	str_append(&client->address, join->client_address);
	str_append(&client->session, join->session);
	str_append(&client->state, join->state);
	client->quiet = join->quiet;
	client->secured = join->secured;
	/* One that slept was counted when it came. */
	client->refused = client->state.len == 0 && is_one_too_many(str_view(&client->address));
	if (client->refused)
		log_warning("user=<%s>, rip=%s: more than %lld connections from this address",
			    self.user.name, str_cstr(&client->address),
			    (long long)self.program->connections_max());
	else if (client->state.len == 0)
		store_note_login(self.user.maildir);
	list_push_back(&self.clients, &client->link);
	self.connections++;
	task_spawn("session", serve_connection, client);
}

/* ---- sleep ---- */

static void beds_free(struct session_bed *beds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		str_free(&beds[i].state);
		str_free(&beds[i].tag);
	}
	free(beds);
}

/* All of them, in the order of self.clients; NULL: one cannot sleep now. */
static struct session_bed *make_beds(size_t *count)
{
	struct session_bed *beds = mem_new_array(struct session_bed, self.connections + 1);

	*count = 0;
	list_for_each (&self.clients, struct client, link, client) {
		struct session_bed *bed = &beds[*count];

		if (client->io == NULL || *count == self.connections ||
		    self.program->lay_down(client->io, bed) < 0) {
			beds_free(beds, *count + 1);
			return NULL;
		}
		(*count)++;
	}
	return beds;
}

/* Asks the parent, if all of them could be laid down now. */
static void tell_that_tired(struct view folders)
{
	struct session_bed *beds;
	size_t count;

	self.program->tidy_up();
	beds = make_beds(&count);
	if (beds == NULL)
		return;
	beds_free(beds, count);
	task_lock(&self.sending);
	if (ipc_send(self.join, session_tired, .folders = folders) == 0)
		(void)ipc_flush(self.join);
	task_unlock(&self.sending);
}

/* Again after a while if it does not answer. */
static void ask_when_tired(void *unused)
{
	msec_t patience = self.program->sleep_after();

	(void)unused;
	while (!self.leaving) {
		_cleanup_(str_free) struct str folders = STR_EMPTY;
		msec_t since =
			self.connections > 0 ? self.program->resting_since(&folders) : MSEC_FOREVER;
		msec_t left = since == MSEC_FOREVER ? patience : since + patience - clock_now();

		if (left <= 0) {
			tell_that_tired(str_view(&folders));
			left = patience;
		}
		task_sleep(left);
	}
}

/*
 * The parent has agreed, and nothing comes from it until we answer. From the first look to the end of the
 * process no other task runs, so that nobody reads what a client says meanwhile: it stays in the socket.
 */
static void fall_asleep(void)
{
	_cleanup_(str_free) struct str folders = STR_EMPTY;
	struct session_bed *beds = NULL;
	size_t count = 0, at = 0;
	msec_t since = self.program->resting_since(&folders);

	if (since != MSEC_FOREVER && since + self.program->sleep_after() <= clock_now() &&
	    !self.sending.taken)
		beds = make_beds(&count);
	if (beds == NULL) {
		task_lock(&self.sending);
		if (ipc_send(self.join, session_awake) == 0)
			(void)ipc_flush(self.join);
		task_unlock(&self.sending);
		return;
	}
	ipc_block(self.join);
	ipc_set_timeout(self.join, LAST_WORDS_TIME);
	list_for_each (&self.clients, struct client, link, client) {
		const struct session_bed *bed = &beds[at++];

		if (ipc_send(self.join, session_sleep, .session = str_view(&client->session),
			     .tag = str_view(&bed->tag), .state = str_view(&bed->state),
			     .flags = bed->flags,
			     .quiet = (uint32_t)MIN(bed->quiet, (msec_t)UINT32_MAX),
			     .connection = stream_fd(client->io)) < 0)
			log_error("user=<%s>: a connection could not be put to sleep",
				  self.user.name);
	}
	log_debug("user=<%s>: %zu connections sleep", self.user.name, count);
	log_flush();
	_exit(0);
}

/* Connections come from the parent until it ends, or until this process wants no more. */
static void accept_connections(void *unused)
{
	struct message m;
	int r;

	(void)unused;
	while ((r = ipc_receive(self.join, &m)) == 0) {
		if (m.type == MSG_session_end) {
			end_connection(m.session_end.session);
			continue;
		}
		if (m.type == MSG_session_rest && self.program->lay_down != NULL) {
			fall_asleep();
			continue;
		}
		if (m.type != MSG_session_join || m.session_join.connection < 0) {
			message_close_fd(&m);
			r = -EBADMSG;
			break;
		}
		accept_connection(&m.session_join);
	}
	self.leaving = true;
	/* The parent is gone (or stops, or talks nonsense): the clients are told good-bye. */
	if (self.connections > 0)
		session_child_stop(NULL);
	else
		wake_all(&self.done);
}

static void hear_of_new_mail(void *unused)
{
	struct message m;

	(void)unused;
	while (ipc_receive(self.watch, &m) == 0 && m.type == MSG_new_mail)
		self.program->new_mail(m.new_mail.folder);
	if (!task_is_shutting_down())
		log_info("user=<%s>: new mail is not signalled any more", self.user.name);
}

void session_tell_room(void)
{
	if (self.watch != NULL && ipc_send(self.watch, anvil_room) == 0)
		(void)ipc_flush(self.watch);
}

/* ---- birth ---- */

/* Everything that was the parent's: other users' connections, listening sockets, tables. */
static void close_foreign_descriptors(int join_fd, int watch_fd)
{
	int kept[] = { STDERR_FILENO, log_descriptor(), join_fd, watch_fd };
	unsigned from = STDERR_FILENO;

	for (;;) {
		unsigned next = ~0U;

		for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
			if (kept[i] >= 0 && (unsigned)kept[i] >= from && (unsigned)kept[i] < next)
				next = (unsigned)kept[i];
		if (next > from)
			close_range(from, next - 1, 0);
		if (next == ~0U)
			return;
		from = next + 1;
	}
}

/*
 * The Maildir must be there before it can be the root directory, and its owner is to make it: with
 * the user's rights for a moment.
 */
static int make_maildir(const struct user *user, struct error *err)
{
	bool root = daemon_running_as_root();
	int r;

	if (root &&
	    (setgroups(1, &user->gid) < 0 || setegid(user->gid) < 0 || seteuid(user->uid) < 0))
		return error_errno(err, "act as %s", user->name);
	r = maildir_create(user->mail, VIEW_NONE, err);
	if (root && (seteuid(0) < 0 || setegid(0) < 0))
		return error_errno(err, "act as root again");
	return r;
}

static int become_user(const struct birthright *birth, struct error *err)
{
	const struct user *user = birth->user;
	int r = make_maildir(user, err);

	if (r == 0)
		r = daemon_become(user->uid, user->gid, user->name, user->mail, err);
	if (r < 0)
		return r;
	self.user.name = mem_strdup(user->name);
	self.user.maildir = mem_strdup(daemon_running_as_root() ? "/" : user->mail);
	self.user.extra = mem_strdup(user->extra != NULL ? user->extra : "");
	self.user.quota = mem_strdup(user->quota != NULL ? user->quota : "");

	const char *paths[] = { self.user.maildir, NULL };

	if (birth->program->open != NULL)
		r = birth->program->open(&self.user, err);
	if (r == 0)
		r = daemon_limit_files(paths, true, err);
	if (r >= 0)
		r = daemon_confine(birth->program->calls, err);
	return r < 0 ? r : 0;
}

static void start_tasks(void)
{
	task_on_signal(SIGTERM, session_child_stop, NULL);
	/* Reload is the parent's matter. */
	signal(SIGHUP, SIG_IGN);
	ipc_set_timeout(self.join, MSEC_FOREVER);
	task_spawn("connections from the parent", accept_connections, NULL);
	begin_to_be_idle();
	if (self.program->lay_down != NULL && self.program->sleep_after() > 0)
		task_spawn("tired", ask_when_tired, NULL);
	if (self.watch != NULL)
		task_spawn("new mail", hear_of_new_mail, NULL);
}

void child_live(const struct birthright *birth)
{
	struct error err = ERROR_NONE;
	int r;

	task_after_fork();
	/* Nothing of other users stays here, neither their lines nor their names. */
	users_close();
	children_forget();
	close_foreign_descriptors(birth->join_fd, birth->watch != NULL ? ipc_fd(birth->watch) : -1);
	self.program = birth->program;
	self.watch = birth->watch;
	self.join = ipc_new(birth->join_fd);
	WAITLIST_INIT(&self.done);
	WAITLIST_INIT(&self.sending.waiting);
	list_init(&self.clients);
	r = become_user(birth, &err);
	if (r < 0) {
		log_error("user=<%s>: %s", birth->user->name, err.text);
		(void)ipc_send(self.join, auth_failed, .why = AUTH_FAIL_TEMPORARY,
			       .text = view_of(err.text));
		(void)ipc_flush(self.join);
		_exit(1);
	}
	if (ipc_send(self.join, done) < 0 || ipc_flush(self.join) < 0)
		_exit(0);
	start_tasks();
	while (!self.leaving || self.connections > 0)
		wait_on(&self.done, MSEC_FOREVER);
	if (self.program->close != NULL)
		self.program->close();
	log_flush();
	_exit(0);
}
