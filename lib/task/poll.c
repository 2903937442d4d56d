/*
 * Descriptors and epoll.
 *
 * A descriptor is registered once, edge-triggered, so an exchange of request and response costs no
 * epoll_ctl. That is sound because a stream waits only after it has seen EAGAIN, with no switch in
 * between: whatever becomes ready after that is a new edge. Raw descriptors make no such promise, so
 * for them the registration is renewed at each wait, which also makes the kernel look at the present
 * state. Room for output is asked for only where a task waits for it: on a UNIX socket each read of
 * the other side is such news, and would wake the program for nothing once a message.
 *
 * Listening sockets are different. Several processes wait on the same one and a connection should
 * wake one of them: EPOLLEXCLUSIVE, level-triggered. A process that is woken but does not accept
 * would have taken the news from the others, so such a socket is registered only while a task waits.
 */
#include "task/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define EVENTS_PER_CALL 128

enum registration { REGISTERED_NOT, REGISTERED_EDGE, REGISTERED_LISTENER, REGISTERED_INTERNAL };

struct descriptor {
	struct task *waiting[2]; /* by enum direction */
	bool ends_at_shut_down;	 /* the wait for reading */
	bool for_output;	 /* registered for that too */
	bool drained;		 /* all input was read, and no news has come since */
	bool ended; /* the peer's end was told: there may be more to read without news */
	enum registration how;
	void (*ready)(void); /* REGISTERED_INTERNAL */
	struct starter *starter;
};

/* The task that begins with the next news. */
struct starter {
	const char *name;
	task_function *function;
	void *argument;
};

static struct {
	bool open;
	int epoll_fd;
	struct descriptor *descriptors; /* by number */
	size_t size;
	size_t waiting_count;
	int idle_listener; /* registered though no task waits on it, or -1 */
} poller;

static void open_epoll(void)
{
	if (poller.open)
		return;
	poller.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (poller.epoll_fd < 0)
		log_fatal("epoll_create1: %m");
	poller.idle_listener = -1;
	poller.open = true;
}

void poll_close(void)
{
	if (!poller.open)
		return;
	close(poller.epoll_fd);
	for (size_t i = 0; i < poller.size; i++)
		free(poller.descriptors[i].starter);
	free(poller.descriptors);
	poller.descriptors = NULL;
	poller.size = 0;
	poller.waiting_count = 0;
	poller.open = false;
}

static struct descriptor *descriptor_at(int fd)
{
	size_t at = (size_t)fd;

	open_epoll();
	if (at >= poller.size) {
		size_t size = MAX(at + 1, poller.size ? poller.size * 2 : 64);

		poller.descriptors =
			mem_resize(poller.descriptors, size, sizeof(*poller.descriptors));
		memset(poller.descriptors + poller.size, 0,
		       (size - poller.size) * sizeof(*poller.descriptors));
		poller.size = size;
	}
	return &poller.descriptors[at];
}

static int control(int operation, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(poller.epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

static void unregister(int fd, struct descriptor *d)
{
	if (d->how != REGISTERED_NOT)
		control(EPOLL_CTL_DEL, fd, 0);
	d->how = REGISTERED_NOT;
	d->drained = d->ended = false;
	if (poller.idle_listener == fd)
		poller.idle_listener = -1;
}

static void starter_drop(struct descriptor *d)
{
	if (d->starter == NULL)
		return;
	free(TAKE(d->starter));
	poller.waiting_count--;
}

void poll_forget_stale(int fd)
{
	if (!poller.open || (size_t)fd >= poller.size)
		return;
	unregister(fd, &poller.descriptors[fd]);
	starter_drop(&poller.descriptors[fd]);
}

void task_forget_fd(int fd)
{
	if (fd < 0 || !poller.open || (size_t)fd >= poller.size)
		return;

	struct descriptor *d = &poller.descriptors[fd];

	unregister(fd, d);
	starter_drop(d);
	for (int i = 0; i < 2; i++)
		if (d->waiting[i] != NULL)
			task_wake(d->waiting[i], -ECANCELED);
}

void poll_add_internal(int fd, void (*ready)(void))
{
	struct descriptor *d = descriptor_at(fd);

	unregister(fd, d);
	if (control(EPOLL_CTL_ADD, fd, EPOLLIN) < 0)
		log_fatal("epoll_ctl: %m");
	d->how = REGISTERED_INTERNAL;
	d->ready = ready;
}

static int control_edge(int operation, int fd, struct descriptor *d, bool for_output)
{
	const uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET;

	d->for_output = for_output;
	return control(operation, fd, for_output ? events | EPOLLOUT : events);
}

/* The descriptor is registered already, or it was closed behind our back and is another now. */
static int register_edge(int fd, struct descriptor *d, enum direction direction, bool renew)
{
	bool for_output = direction == FOR_WRITING || d->waiting[FOR_WRITING] != NULL;
	int r;

	if (d->how == REGISTERED_EDGE) {
		renew |= for_output && !d->for_output;
		r = renew ? control_edge(EPOLL_CTL_MOD, fd, d, for_output) : 0;
		if (r != -ENOENT)
			return r;
	} else {
		unregister(fd, d);
	}
	r = control_edge(EPOLL_CTL_ADD, fd, d, for_output);
	d->how = r == 0 ? REGISTERED_EDGE : REGISTERED_NOT;
	return r;
}

static int suspend(int fd, enum direction direction, bool ends_at_shut_down, const char *waits_for,
		   msec_t deadline)
{
	struct descriptor *d = &poller.descriptors[fd];
	int r;

	if (d->waiting[direction] != NULL)
		return -EBUSY;
	d->waiting[direction] = task_current();
	if (direction == FOR_READING)
		d->ends_at_shut_down = ends_at_shut_down;
	poller.waiting_count++;
	r = task_suspend(waits_for, deadline);
	/* The table may have moved meanwhile. */
	poller.descriptors[fd].waiting[direction] = NULL;
	poller.waiting_count--;
	return r;
}

int poll_wait_change(int fd, enum direction direction, bool ends_at_shut_down, msec_t deadline)
{
	int r;

	if (direction == FOR_READING && ends_at_shut_down && task_is_shutting_down())
		return -ESHUTDOWN;
	r = register_edge(fd, descriptor_at(fd), direction, false);
	if (r < 0)
		return r;
	return suspend(fd, direction, ends_at_shut_down,
		       direction == FOR_READING ? "input" : "output", deadline);
}

static int wait_raw(int fd, enum direction direction, bool ends_at_shut_down, msec_t deadline)
{
	int r;

	if (fd < 0)
		return -EBADF;
	if (ends_at_shut_down && task_is_shutting_down())
		return -ESHUTDOWN;
	r = register_edge(fd, descriptor_at(fd), direction, true);
	if (r == -EPERM)
		return 0; /* a regular file, always ready */
	if (r < 0)
		return r;
	return suspend(fd, direction, ends_at_shut_down,
		       direction == FOR_READING ? "input" : "output", deadline);
}

int task_wait_readable(int fd, msec_t deadline)
{
	return wait_raw(fd, FOR_READING, true, deadline);
}

int task_wait_reply(int fd, msec_t deadline)
{
	return wait_raw(fd, FOR_READING, false, deadline);
}

int task_wait_news(int fd, bool ends_at_shut_down, msec_t deadline)
{
	return poll_wait_change(fd, FOR_READING, ends_at_shut_down, deadline);
}

void task_note_drained(int fd)
{
	if (!poller.open || (size_t)fd >= poller.size)
		return;

	struct descriptor *d = &poller.descriptors[fd];

	d->drained = d->how == REGISTERED_EDGE && !d->ended;
}

bool task_is_drained(int fd)
{
	return poller.open && (size_t)fd < poller.size && poller.descriptors[fd].drained;
}

int task_wait_writable(int fd, msec_t deadline)
{
	return wait_raw(fd, FOR_WRITING, false, deadline);
}

int task_spawn_when_readable(const char *name, int fd, task_function *function, void *argument)
{
	struct descriptor *d;
	int r;

	if (fd < 0)
		return -EBADF;
	if (task_is_shutting_down()) {
		task_spawn(name, function, argument);
		return 0;
	}
	d = descriptor_at(fd);
	if (d->starter != NULL || d->waiting[FOR_READING] != NULL)
		return -EBUSY;
	/* Renewed, so that what is there already counts. */
	r = register_edge(fd, d, FOR_READING, true);
	if (r < 0)
		return r;
	d->starter = mem_new(struct starter);
	*d->starter = (struct starter){ name, function, argument };
	poller.waiting_count++;
	return 0;
}

static void starter_start(struct descriptor *d)
{
	struct starter starter = *d->starter;

	starter_drop(d);
	task_spawn(starter.name, starter.function, starter.argument);
}

static void drop_idle_listener(void)
{
	int fd = poller.idle_listener;

	poller.idle_listener = -1;
	if (fd >= 0 && poller.descriptors[fd].waiting[FOR_READING] == NULL)
		unregister(fd, &poller.descriptors[fd]);
}

int task_wait_acceptable(int listen_fd, msec_t deadline)
{
	struct descriptor *d;
	int r;

	if (listen_fd < 0)
		return -EBADF;
	if (task_is_shutting_down())
		return -ESHUTDOWN;
	d = descriptor_at(listen_fd);
	if (d->how != REGISTERED_LISTENER) {
		unregister(listen_fd, d);
		r = control(EPOLL_CTL_ADD, listen_fd, EPOLLIN | EPOLLEXCLUSIVE);
		if (r < 0)
			return r;
		d->how = REGISTERED_LISTENER;
	}
	r = suspend(listen_fd, FOR_READING, true, "connections", deadline);
	/* Most often the task comes back before the loop polls again, and the registration stays. */
	if (poller.idle_listener >= 0 && poller.idle_listener != listen_fd)
		drop_idle_listener();
	poller.idle_listener = listen_fd;
	return r;
}

bool poll_is_needed(void)
{
	return poller.waiting_count > 0;
}

static void poll_deliver(const struct epoll_event *event)
{
	struct descriptor *d = &poller.descriptors[event->data.fd];
	struct task *reader = d->waiting[FOR_READING], *writer = d->waiting[FOR_WRITING];
	const uint32_t broken = EPOLLERR | EPOLLHUP;

	if (d->how == REGISTERED_INTERNAL) {
		d->ready();
		return;
	}
	if (event->events & (EPOLLIN | EPOLLRDHUP | broken)) {
		d->drained = false;
		if (reader != NULL)
			task_wake(reader, 0);
		else if (d->starter != NULL)
			starter_start(d);
	}
	if (event->events & (EPOLLRDHUP | broken))
		d->ended = true;
	if (writer != NULL && (event->events & (EPOLLOUT | broken)))
		task_wake(writer, 0);
	else if (writer == NULL && d->for_output)
		control_edge(EPOLL_CTL_MOD, event->data.fd, d, false);
}

bool poll_once(int timeout)
{
	struct epoll_event events[EVENTS_PER_CALL];
	int count;

	open_epoll();
	drop_idle_listener();
	log_flush();
	count = epoll_wait(poller.epoll_fd, events, EVENTS_PER_CALL, timeout);
	if (count < 0 && errno != EINTR)
		log_fatal("epoll_wait: %m");
	for (int i = 0; i < count; i++)
		poll_deliver(&events[i]);
	return count != 0;
}

void poll_shut_down(void)
{
	for (size_t i = 0; i < poller.size; i++) {
		struct descriptor *d = &poller.descriptors[i];

		if (d->waiting[FOR_READING] != NULL && d->ends_at_shut_down)
			task_wake(d->waiting[FOR_READING], -ESHUTDOWN);
		if (d->starter != NULL)
			starter_start(d);
	}
}
