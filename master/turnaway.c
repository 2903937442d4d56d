/*
 * What is to be served and has no program: it could not start, or there is none. Who connects is
 * let go at once, as from a port that nobody serves, and comes again, instead of waiting in line.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "master.h"
#include "task/task.h"

/* Looks again whether there is a program now. */
#define LOOK_PAUSE 1000

struct turnaway {
	struct running_service *service;
	char *socket;
};

/* The socket is looked up each time: it may be another by now, or gone. */
static void turnaway_serve(void *argument)
{
	struct turnaway *t = argument;
	const struct held_socket *s;

	while (!master_is_stopping() && t->service->failure != NULL &&
	       !service_is_served(t->service) && (s = socket_find(t->socket)) != NULL) {
		int r = task_wait_readable(s->fd, clock_after(LOOK_PAUSE));
		int fd = r == 0 ? accept4(s->fd, NULL, NULL, SOCK_CLOEXEC) : -1;

		if (fd >= 0)
			close(fd);
		else if (r < 0 && r != -ETIMEDOUT)
			task_sleep(LOOK_PAUSE);
	}
	t->service->turning_away--;
	s = socket_find(t->socket);
	if (s != NULL)
		task_forget_fd(s->fd);
	free(t->socket);
	free(t);
}

void service_turn_away(struct running_service *service)
{
	if (service->turning_away > 0)
		return;
	for (size_t i = 0; i < service->plan->socket_count; i++) {
		struct turnaway *t = mem_new(struct turnaway);

		t->service = service;
		t->socket = mem_strdup(service->plan->sockets[i].name);
		service->turning_away++;
		task_spawn("turnaway", turnaway_serve, t);
	}
}
