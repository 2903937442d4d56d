/*
 * Runs one program as master would: its socket, the log on standard error, the life line and the
 * status pipe. For tests that talk to a real program.
 */
#ifndef TEST_PROGRAM_H
#define TEST_PROGRAM_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct program {
	pid_t pid;
	int life; /* our end: closing it ends the program */
};

/* A listening socket at <root>/private/<name>. */
static inline int program_listen(const char *root, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/private/%s", root, name);
	unlink(address.sun_path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 100) < 0)
		abort();
	chmod(address.sun_path, 0666);
	return fd;
}

/* False if it did not become ready within ten seconds. */
static inline bool program_start(struct program *program, const char *path, const char *service,
				 const char *configuration, const char *root)
{
	char listener[128], life_text[32], status_text[32], line[1024];
	int life[2], status[2], listening = program_listen(root, service);
	ssize_t n;

	if (pipe(life) < 0 || pipe2(status, 0) < 0)
		abort();
	fcntl(life[1], F_SETFD, FD_CLOEXEC);
	fcntl(status[0], F_SETFD, FD_CLOEXEC);
	snprintf(listener, sizeof(listener), "%d=private/%s", listening, service);
	snprintf(life_text, sizeof(life_text), "life=%d", life[0]);
	snprintf(status_text, sizeof(status_text), "status=%d", status[1]);
	program->pid = fork();
	if (program->pid == 0) {
		execl(path, path, "-c", configuration, "-n", service, "-L", listener, "-F",
		      life_text, "-F", status_text, "-F", "log=2", (char *)NULL);
		_exit(127);
	}
	close(listening);
	close(life[0]);
	close(status[1]);
	program->life = life[1];

	struct pollfd wait = { .fd = status[0], .events = POLLIN };

	n = poll(&wait, 1, 10000) == 1 ? read(status[0], line, sizeof(line) - 1) : 0;
	line[n > 0 ? n : 0] = '\0';
	if (strncmp(line, "ready ", 6) == 0) {
		/* Kept open: the program tells of its retirement there. */
		return true;
	}
	fprintf(stderr, "%s: %s\n", path, line);
	return false;
}

static inline int program_stop(struct program *program)
{
	int status = 0;

	if (program->pid <= 0)
		return status; /* it never was started */
	kill(program->pid, SIGTERM);
	close(program->life);
	waitpid(program->pid, &status, 0);
	return status;
}

#endif
