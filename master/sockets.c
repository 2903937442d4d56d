/*
 * Sockets that services listen on, kept open over reloads. Who may connect is checked by the
 * program that accepts.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "ipc/ipc.h"
#include "master.h"
#include "task/task.h"

#define BACKLOG	    4096 /* the kernel takes the less of this and its own limit */
#define RETRY_PAUSE 100	 /* while an address is still another's */

static struct list held = { &held, &held };

struct held_socket *socket_find(const char *name)
{
	list_for_each (&held, struct held_socket, link, s)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

static void drop(struct held_socket *s)
{
	struct sockaddr_un address;

	if (s->is_unix && ipc_socket_address(s->name, &address) == 0)
		unlink(address.sun_path);
	task_forget_fd(s->fd);
	close(s->fd);
	list_remove(&s->link);
	free(s->name);
	free(s);
}

/* The folder says who may come here (private: the suite's own users), the program whom it lets in. */
static int bind_unix(int fd, const char *name, bool owner_only)
{
	struct sockaddr_un address;
	mode_t mask;
	int r = ipc_socket_address(name, &address);

	if (r < 0)
		return r;
	/* Left by a master that was killed; the lock of the pid file says that it is dead. */
	unlink(address.sun_path);
	mask = umask(owner_only ? 0177 : 0111);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	return r;
}

static int bind_inet(int fd, const struct plan_socket *s)
{
	int on = 1;
	socklen_t len = s->address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							 : sizeof(struct sockaddr_in);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* 0.0.0.0:25 beside 127.0.0.1:25: the nearer address gets the connection. */
	if (s->shares_port)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (s->address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)&s->address, len) < 0 ? -errno : 0;
}

int socket_listen(const struct plan_socket *s)
{
	_cleanup_fd_ int fd =
		socket(s->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = s->address.ss_family == AF_UNIX ? bind_unix(fd, s->name, s->owner_only)
					    : bind_inet(fd, s);
	if (r < 0)
		return r;
	return listen(fd, BACKLOG) < 0 ? -errno : TAKE_FD(fd);
}

/* The programs of a master that was killed let go of its ports when they notice. */
static int open_patiently(const struct plan_socket *s, msec_t deadline)
{
	int fd = socket_listen(s);

	while (fd == -EADDRINUSE && clock_now() < deadline) {
		task_sleep(RETRY_PAUSE);
		fd = socket_listen(s);
	}
	return fd;
}

static bool is_lack(int code)
{
	return code == -EAFNOSUPPORT || code == -EADDRNOTAVAIL || code == -EPROTONOSUPPORT;
}

static int socket_hold(const struct plan_socket *s, msec_t deadline, struct error *err)
{
	struct held_socket *had = socket_find(s->name);
	int fd;

	if (had != NULL) {
		had->wanted = true;
		return 0;
	}
	fd = open_patiently(s, deadline);
	if (is_lack(fd) && s->optional)
		return 0;
	if (fd == -EADDRINUSE)
		return error_set(err, fd, "cannot listen on %s: another program does", s->name);
	if (fd == -EACCES && s->address.ss_family != AF_UNIX)
		return error_set(err, fd,
				 "cannot listen on %s: ports below 1024 need root "
				 "(base_port = 10000 in main.cf)",
				 s->name);
	if (fd < 0)
		return error_set(err, fd, "cannot listen on %s: %s", s->name, strerror(-fd));
	had = mem_new(struct held_socket);
	had->name = mem_strdup(s->name);
	had->fd = fd;
	had->is_unix = s->address.ss_family == AF_UNIX;
	had->wanted = true;
	list_push_back(&held, &had->link);
	return 0;
}

int sockets_open(const struct plan *plan, msec_t patience, struct error *err)
{
	struct list *last = held.previous; /* what is new comes after it */
	msec_t deadline = clock_after(patience);
	int r = 0;

	list_for_each (&held, struct held_socket, link, s)
		s->wanted = false;
	for (size_t i = 0; i < plan->count && r == 0; i++)
		for (size_t j = 0; j < plan->services[i].socket_count && r == 0; j++)
			r = socket_hold(&plan->services[i].sockets[j], deadline, err);
	if (r == 0)
		return 0;
	while (last->next != &held)
		drop(container_of(last->next, struct held_socket, link));
	list_for_each (&held, struct held_socket, link, s)
		s->wanted = true;
	return r;
}

void sockets_close_unwanted(void)
{
	for (struct list *at = held.next, *next; at != &held; at = next) {
		struct held_socket *s = container_of(at, struct held_socket, link);

		next = at->next;
		if (!s->wanted)
			drop(s);
	}
}

void sockets_close_all(void)
{
	struct held_socket *s;

	while ((s = LIST_FIRST(&held, struct held_socket, link)) != NULL)
		drop(s);
}
