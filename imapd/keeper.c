/* What imapd does for those who sleep: a number, a descriptor, and two words of IMAP. */
#include "keeper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "imap/chars.h"
#include "imap/parser.h"
#include "ipc/ipc.h"
#include "task/task.h"

#define KEEPER_SERVICE "private/imapd-session"
#define KEEPER_PAUSE   ((msec_t)1000) /* before another offer, after imapd-session has gone */
#define KEEPER_CONNECT ((msec_t)10 * 1000)
#define KEEPER_LINE    512 /* of a command that is answered here */
#define CLOCK_SLOWEST  ((msec_t)10 * 1000)
#define CLOCK_FASTEST  ((msec_t)100)
#define STILL_HERE     VIEW("* OK Still here\r\n")
#define SHUTTING_DOWN  VIEW("* BYE Server shutting down.\r\n")
#define TOO_SILENT     VIEW("* BYE Disconnected for inactivity.\r\n")
#define PARENT_GONE    VIEW("* BYE The server is being restarted.\r\n")

/* A connection to a process of imapd-session. */
struct keeper {
	struct list link;
	struct ipc *ipc;
	struct task_lock sending;
	struct map *sleepers; /* by number */
	unsigned references;
	bool gone;
	bool replaced; /* another one takes offers */
};

struct sleeper {
	struct list link; /* among all */
	struct keeper *keeper;
	uint64_t number;
	msec_t heard; /* the client's last word */
	msec_t told;  /* our last one */
	int fd;
	uint8_t flags; /* SLEEPER_... */
	char tag[];    /* of IDLE; empty: in none */
};

static struct {
	struct list keepers, sleepers;
	struct waitlist came; /* the first of them: the clock waits for it */
	struct sleeper **by_fd;
	size_t by_fd_size;
	bool started;
} kept;

/* ---- keepers ---- */

static void keeper_release(struct keeper *keeper)
{
	if (--keeper->references > 0)
		return;
	map_free(keeper->sleepers);
	free(keeper);
}

#define keeper_send(keeper, name, ...)                                                             \
	keeper_send_message((keeper), MSG_##name, &(const struct msg_##name){ __VA_ARGS__ })

static int keeper_send_message(struct keeper *keeper, enum message_type type, const void *fields)
{
	int r = -EPIPE;

	keeper->references++;
	task_lock(&keeper->sending);
	if (!keeper->gone)
		r = ipc_send_message(keeper->ipc, type, fields);
	if (r == 0)
		r = ipc_flush(keeper->ipc);
	task_unlock(&keeper->sending);
	keeper_release(keeper);
	return r;
}

/* ---- a sleeper ---- */

static struct view sleeper_key(const uint64_t *number)
{
	return view_make((const char *)number, sizeof(*number));
}

/* By its descriptor, since a task that hears of it may come when it has gone. */
static void sleeper_place(int fd, struct sleeper *sleeper)
{
	size_t at = (size_t)fd;

	if (at >= kept.by_fd_size) {
		size_t size = MAX(at + 1, kept.by_fd_size ? kept.by_fd_size * 2 : 64);

		kept.by_fd = mem_resize(kept.by_fd, size, sizeof(*kept.by_fd));
		memset(kept.by_fd + kept.by_fd_size, 0,
		       (size - kept.by_fd_size) * sizeof(*kept.by_fd));
		kept.by_fd_size = size;
	}
	kept.by_fd[at] = sleeper;
}

static struct sleeper *sleeper_new(struct keeper *keeper, const struct msg_sleep_keep *m)
{
	struct sleeper *sleeper = mem_new_bytes(sizeof(*sleeper) + m->tag.len + 1);

	sleeper->keeper = keeper;
	sleeper->number = m->number;
	sleeper->told = clock_now();
	sleeper->heard = sleeper->told - m->quiet;
	sleeper->fd = m->connection;
	sleeper->flags = m->flags;
	if (m->tag.len > 0)
		memcpy(sleeper->tag, m->tag.data, m->tag.len);
	if (list_is_empty(&kept.sleepers))
		wake_all(&kept.came);
	list_push_back(&kept.sleepers, &sleeper->link);
	map_put_borrowed(keeper->sleepers, sleeper_key(&sleeper->number), sleeper);
	sleeper_place(sleeper->fd, sleeper);
	daemon_work_begin();
	return sleeper;
}

/* Nothing knows of it any more but the caller, who closes its descriptor. */
static void sleeper_remove(struct sleeper *sleeper)
{
	list_remove(&sleeper->link);
	map_remove(sleeper->keeper->sleepers, sleeper_key(&sleeper->number));
	task_forget_fd(sleeper->fd);
	kept.by_fd[sleeper->fd] = NULL;
}

static void sleeper_free(struct sleeper *sleeper)
{
	close(sleeper->fd);
	free(sleeper);
	daemon_work_end();
}

/* All of it, or not at all: 0, or -EAGAIN where the client does not read, or another errno. */
static int sleeper_send(int fd, uint8_t flags, struct view text)
{
	char data[KEEPER_LINE];
	size_t len = 0;
	ssize_t n;

	if (text.len > sizeof(data) - 5)
		return -EMSGSIZE;
	/* RFC 1951 3.2.4: a block that is stored. What was sent before ended with a byte. */
	if (flags & SLEEPER_COMPRESSED) {
		data[len++] = 0;
		data[len++] = (char)(text.len & 255);
		data[len++] = (char)(text.len >> 8);
		data[len++] = (char)(~text.len & 255);
		data[len++] = (char)(~text.len >> 8 & 255);
	}
	memcpy(data + len, text.data, text.len);
	len += text.len;
	do
		n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EPIPE;
}

/* It has gone, or is sent away. */
static void sleeper_end(struct sleeper *sleeper, struct view last_words)
{
	struct keeper *keeper = sleeper->keeper;
	uint64_t number = sleeper->number;

	sleeper_remove(sleeper);
	if (last_words.len > 0)
		(void)sleeper_send(sleeper->fd, sleeper->flags, last_words);
	sleeper_free(sleeper);
	(void)keeper_send(keeper, sleep_over, .number = number);
}

/* To the user's next process. */
static void sleeper_give_back(struct sleeper *sleeper)
{
	sleeper_remove(sleeper);
	if (keeper_send(sleeper->keeper, sleep_return, .number = sleeper->number,
			.tag = view_of(sleeper->tag),
			.quiet = (uint32_t)MIN(clock_now() - sleeper->heard, (msec_t)UINT32_MAX),
			.connection = sleeper->fd) < 0)
		(void)sleeper_send(sleeper->fd, sleeper->flags, PARENT_GONE);
	sleeper_free(sleeper);
}

/* ---- what its client says ---- */

/* One whole line, and nothing after it. */
static bool take_line(struct view input, struct view *line)
{
	if (input.len < 2 || input.data[input.len - 1] != '\n' || input.data[input.len - 2] != '\r')
		return false;
	*line = view_first(input, input.len - 2);
	return view_find_byte(*line, '\n') == VIEW_NOT_FOUND;
}

/* "TAG NAME": the tag, or an empty view if it is anything else. */
static struct view tag_of(struct view line, const char *name)
{
	size_t len = 0;

	while (len < line.len && imap_is_tag_char(line.data[len]))
		len++;
	if (len == 0 || len > IMAP_TAG_MAX || len == line.len || line.data[len] != ' ' ||
	    !view_is_nocase(view_from(line, len + 1), name))
		return VIEW_NONE;
	return view_first(line, len);
}

static struct sleeper *sleeper_set_tag(struct sleeper *sleeper, struct view tag)
{
	struct sleeper *next = mem_new_bytes(sizeof(*next) + tag.len + 1);

	*next = *sleeper;
	if (tag.len > 0)
		memcpy(next->tag, tag.data, tag.len);
	/* It begins within the size of the structure, which was copied. */
	next->tag[tag.len] = '\0';
	list_insert_after(&sleeper->link, &next->link);
	list_remove(&sleeper->link);
	map_remove(next->keeper->sleepers, sleeper_key(&sleeper->number));
	map_put_borrowed(next->keeper->sleepers, sleeper_key(&next->number), next);
	sleeper_place(next->fd, next);
	free(sleeper);
	return next;
}

/* False: that is for the user's process. Nothing has been read then. */
static bool sleeper_answer(struct sleeper *sleeper, struct view input)
{
	char answer[KEEPER_LINE];
	struct view line, tag = VIEW_NONE, idle = VIEW_NONE;
	ssize_t n;

	if (sleeper->flags & SLEEPER_OPAQUE || !take_line(input, &line))
		return false;
	if (sleeper->tag[0] != '\0') {
		if (!view_is_nocase(line, "DONE"))
			return false;
		snprintf(answer, sizeof(answer), "%s OK Idle completed.\r\n", sleeper->tag);
	} else if ((tag = tag_of(line, "NOOP")).len > 0) {
		snprintf(answer, sizeof(answer), "%.*s OK NOOP completed.\r\n", VIEW_ARG(tag));
	} else if ((idle = tag_of(line, "IDLE")).len > 0) {
		snprintf(answer, sizeof(answer), "+ idling\r\n");
	} else {
		return false;
	}
	if (sleeper_send(sleeper->fd, sleeper->flags, view_of(answer)) < 0)
		return false;
	/* Now it is read. */
	if (sleeper->tag[0] != '\0' || idle.len > 0)
		sleeper = sleeper_set_tag(sleeper, idle);
	n = recv(sleeper->fd, answer, input.len, MSG_DONTWAIT);
	sleeper->heard = sleeper->told = clock_now();
	return n == (ssize_t)input.len;
}

static void sleeper_hear(void *argument);

static void sleeper_listen(struct sleeper *sleeper)
{
	int r = task_spawn_when_readable("sleeper", sleeper->fd, sleeper_hear,
					 (void *)(intptr_t)sleeper->fd);

	/* It listens already. */
	if (r < 0 && r != -EBUSY)
		sleeper_give_back(sleeper);
}

static void sleeper_hear(void *argument)
{
	int fd = (int)(intptr_t)argument;
	struct sleeper *sleeper = (size_t)fd < kept.by_fd_size ? kept.by_fd[fd] : NULL;
	char input[KEEPER_LINE];
	ssize_t n;

	if (sleeper == NULL)
		return;
	if (task_is_shutting_down()) {
		sleeper_end(sleeper, SHUTTING_DOWN);
		return;
	}
	n = recv(fd, input, sizeof(input), MSG_PEEK | MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		sleeper_end(sleeper, VIEW_NONE);
	else if (n < 0 || sleeper_answer(sleeper, view_make(input, (size_t)n)))
		sleeper_listen(kept.by_fd[fd]);
	else
		sleeper_give_back(kept.by_fd[fd]);
}

/* ---- time ---- */

static struct sleeper *sleeper_too_silent(msec_t now)
{
	list_for_each (&kept.sleepers, struct sleeper, link, sleeper)
		if (now - sleeper->heard >= param.imap_idle_timeout)
			return sleeper;
	return NULL;
}

static void keeper_clock(void *unused)
{
	msec_t shortest = MIN(param.imap_idle_timeout, param.imap_idle_notify_interval);
	msec_t pause = MAX(MIN(shortest / 8, CLOCK_SLOWEST), CLOCK_FASTEST);

	(void)unused;
	for (;;) {
		struct sleeper *silent;
		msec_t now;

		while (list_is_empty(&kept.sleepers))
			wait_on(&kept.came, MSEC_FOREVER);
		task_sleep(pause);
		now = clock_now();
		/* To end one is a wait, upon which the list may be another. */
		while ((silent = sleeper_too_silent(now)) != NULL)
			sleeper_end(silent, TOO_SILENT);
		list_for_each (&kept.sleepers, struct sleeper, link, sleeper) {
			if (sleeper->tag[0] == '\0' ||
			    now - sleeper->told < param.imap_idle_notify_interval)
				continue;
			/* One that does not read, or is dead, is found out by the kernel. */
			(void)sleeper_send(sleeper->fd, sleeper->flags, STILL_HERE);
			sleeper->told = now;
		}
	}
}

/* ---- imapd-session ---- */

/* A socket that its client is at the other end of; nothing else can be meant. */
static bool is_connection(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static void keeper_keep(struct keeper *keeper, const struct msg_sleep_keep *m)
{
	if (m->connection < 0 || !is_connection(m->connection)) {
		if (m->connection >= 0)
			close(m->connection);
		(void)keeper_send(keeper, sleep_over, .number = m->number);
		return;
	}
	sleeper_listen(sleeper_new(keeper, m));
}

static void keeper_end(struct keeper *keeper, const struct msg_sleep_end *m)
{
	struct sleeper *sleeper = map_get(keeper->sleepers, sleeper_key(&m->number));
	char text[KEEPER_LINE / 2];

	snprintf(text, sizeof(text), "* BYE %.*s.\r\n", (int)MIN(m->text.len, (size_t)200),
		 m->text.data);
	if (m->connection >= 0) {
		if (is_connection(m->connection))
			(void)sleeper_send(m->connection, m->flags, view_of(text));
		close(m->connection);
	}
	if (sleeper != NULL)
		sleeper_end(sleeper, view_of(text));
}

static int keeper_hear(struct keeper *keeper, struct message *m)
{
	struct sleeper *sleeper;

	switch (m->type) {
	case MSG_sleep_keep:
		keeper_keep(keeper, &m->sleep_keep);
		return 0;
	case MSG_sleep_want:
		sleeper = map_get(keeper->sleepers, sleeper_key(&m->sleep_want.number));
		if (sleeper != NULL)
			sleeper_give_back(sleeper);
		return 0;
	case MSG_sleep_end:
		keeper_end(keeper, &m->sleep_end);
		return 0;
	case MSG_sleep_retire:
		keeper->replaced = true;
		if (!daemon_is_retiring())
			keeper_start();
		return 0;
	default:
		message_close_fd(m);
		log_error("unexpected message %s", message_name(m->type));
		return -EBADMSG;
	}
}

/* Nobody knows any more whose they are. */
static void keeper_drop(struct keeper *keeper)
{
	keeper->gone = true;
	for (;;) {
		size_t first = map_next_index(keeper->sleepers, 0);
		struct sleeper *sleeper;

		if (first == SIZE_MAX)
			break;
		sleeper = map_value_at(keeper->sleepers, first);
		sleeper_remove(sleeper);
		(void)sleeper_send(sleeper->fd, sleeper->flags,
				   task_is_shutting_down() ? SHUTTING_DOWN : PARENT_GONE);
		sleeper_free(sleeper);
	}
	list_remove(&keeper->link);
	/* Whoever is sending there must be through before the connection is freed. */
	task_lock(&keeper->sending);
	ipc_free(TAKE(keeper->ipc));
	task_unlock(&keeper->sending);
}

/* True: it was an imapd-session that listened. */
static bool keeper_serve(struct keeper *keeper)
{
	struct message m;
	struct ipc *ipc = ipc_connect(KEEPER_SERVICE, clock_after(KEEPER_CONNECT));

	if (ipc == NULL)
		return false;
	keeper->ipc = ipc;
	ipc_finish_first(ipc, false);
	ipc_set_timeout(ipc, MSEC_FOREVER);
	list_push_back(&kept.keepers, &keeper->link);
	if (keeper_send(keeper, sleep_offer, .room = (uint32_t)daemon_files_kept()) == 0)
		while (ipc_receive(ipc, &m) == 0)
			if (keeper_hear(keeper, &m) < 0)
				break;
	keeper_drop(keeper);
	return true;
}

static void keeper_live(void *unused)
{
	bool replaced = false;

	(void)unused;
	while (!replaced && !daemon_is_retiring() && !task_is_shutting_down()) {
		struct keeper *keeper = mem_new(struct keeper);

		list_init(&keeper->link);
		keeper->sleepers = map_new();
		keeper->references = 1;
		WAITLIST_INIT(&keeper->sending.waiting);
		keeper_serve(keeper);
		replaced = keeper->replaced;
		keeper_release(keeper);
		if (!replaced)
			task_sleep(KEEPER_PAUSE);
	}
}

void keeper_start(void)
{
	if (param.imap_hibernate_timeout <= 0)
		return;
	if (!kept.started) {
		kept.started = true;
		list_init(&kept.keepers);
		list_init(&kept.sleepers);
		WAITLIST_INIT(&kept.came);
		task_spawn("clock of sleepers", keeper_clock, NULL);
	}
	task_spawn("keeper", keeper_live, NULL);
}

static void tell_of_retirement(void *argument)
{
	struct keeper *keeper = argument;

	(void)keeper_send(keeper, sleep_offer, .room = 0);
	keeper_release(keeper);
}

void keeper_retire(void)
{
	if (!kept.started)
		return;
	list_for_each (&kept.keepers, struct keeper, link, keeper) {
		keeper->references++;
		task_spawn("retire", tell_of_retirement, keeper);
	}
}
