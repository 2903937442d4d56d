/*
 * Connecting over the network, address after address, as a task. Which addresses is decided
 * elsewhere.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/mem.h"
#include "task/stream.h"
#include "task/task.h"

/* Between attempts on a UNIX socket whose line of waiting connections is full. */
#define FULL_PAUSE 10

static int connection_prepare(int fd, int family, const struct sockaddr *local, socklen_t local_len)
{
	int on = 1;

	if (family == AF_INET || family == AF_INET6)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (local == NULL)
		return 0;
	/* The port is then chosen when the other end is known, so there are more to choose from. */
	if (family == AF_INET || family == AF_INET6)
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, local, local_len) < 0 ? -errno : 0;
}

static int connection_finish(int fd, msec_t deadline)
{
	int problem = 0, r = task_wait_writable(fd, deadline);
	socklen_t len = sizeof(problem);

	task_forget_fd(fd);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) < 0)
		return -errno;
	return -problem;
}

int stream_connect(const struct sockaddr *to, socklen_t to_len, const struct sockaddr *local,
		   socklen_t local_len, msec_t deadline)
{
	_cleanup_fd_ int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = connection_prepare(fd, to->sa_family, local, local_len);
	if (r < 0)
		return r;
	while (connect(fd, to, to_len) < 0) {
		if (errno == EINPROGRESS) {
			r = connection_finish(fd, deadline);
			if (r < 0)
				return r;
			break;
		}
		if (errno == EAGAIN && to->sa_family == AF_UNIX) {
			if (clock_now() >= deadline)
				return -ETIMEDOUT;
			task_sleep(FULL_PAUSE);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return TAKE_FD(fd);
}
