/* Connecting to the socket of another program by its name. What is said on it is elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "ipc/internal.h"
#include "task/stream.h"
#include "task/task.h"

/* Between attempts while a service is being started again. */
#define RETRY_PAUSE 50

static struct {
	char directory[PATH_MAX];
	int fd; /* the directory, where its path is too long for a socket address; else -1 */
} root = { .fd = -1 };

void ipc_set_root(const char *directory)
{
	struct sockaddr_un address;

	if (root.fd >= 0)
		close(root.fd);
	root.fd = -1;
	snprintf(root.directory, sizeof(root.directory), "%s", directory);
	/* A service's name after it has 63 bytes at most. */
	if (strlen(directory) + 1 + 63 >= sizeof(address.sun_path))
		root.fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int ipc_socket_address(const char *service, struct sockaddr_un *address)
{
	int n;

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (root.fd >= 0)
		n = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s",
			     root.fd, service);
	else
		n = snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s", root.directory,
			     service);
	return n < 0 || (size_t)n >= sizeof(address->sun_path) ? -ENAMETOOLONG : 0;
}

static bool impatient;

void ipc_be_impatient(void)
{
	impatient = true;
}

struct ipc *ipc_connect(const char *service, msec_t deadline)
{
	struct sockaddr_un address;
	int fd = ipc_socket_address(service, &address);

	while (fd >= 0) {
		fd = stream_connect((const struct sockaddr *)&address, sizeof(address), NULL, 0,
				    deadline);
		/* EAGAIN: so many stand in line there that the kernel takes no more. */
		if (impatient || (fd != -ECONNREFUSED && fd != -ENOENT && fd != -EAGAIN) ||
		    clock_now() >= deadline)
			break;
		task_sleep(RETRY_PAUSE);
		fd = 0;
	}
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}

	struct ipc *ipc = ipc_new(fd);

	ipc->finish_first = true;
	ipc_set_socket_name(ipc, service);
	return ipc;
}
