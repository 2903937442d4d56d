/*
 * What the files of this library share; nobody else includes it.
 *
 *	arguments.c	what master says on the command line
 *	main.c		birth: from arguments to the first task
 *	confine.c	users, chroot, limits
 *	seccomp.c	the list of system calls
 *	landlock.c	the list of folders
 *	serve.c		accepting, one task for each connection
 *	peer.c		who is at its two ends
 *	upstream.c	what a proxy says about that
 *	life.c		retiring and stopping
 *
 * The command line that master gives:
 *
 *	NAME -c CONFDIR -n SERVICE [-o name=value]... -L fd=NAME... -F key=value... [-- argument...]
 *
 * -L is a listening socket: "3=private/cleanup" or "4=127.0.0.1:25". -F is "life=fd" (the write end
 * of a pipe that nobody writes to; master has an end for reading, and so have the programs that
 * this one is to outlive: it breaks when they have all died), "later=fd" (such an end for reading:
 * never touched), "status=fd" (the write end of a pipe of its own: lines "ready <confinement>",
 * "alive" when asked with SIGUSR1, "retiring", "failed <reason>"), "metrics=fd"
 * (a page of memory to count in, metrics.h), "log=fd" and "sink=program" (the datagram socket that
 * postlogd reads), "sink=file" or "sink=syslog". postlogd is given "lines=fd" (the other end of that
 * socket) and "state=fd" (memory that outlives it) too. So no program has an end to write to on
 * which another waits.
 */
#ifndef DAEMON_INTERNAL_H
#define DAEMON_INTERNAL_H

#include "base/log.h"
#include "base/str.h"
#include "conf/conf.h"
#include "daemon/daemon.h"
#include "daemon/programs.h"

#define LISTEN_MAX    64 /* sockets of one service: addresses of this host, mostly */
#define OVERRIDES_MAX 256
#define LATER_MAX     4

struct listener {
	int fd;
	const char *name;
};

struct birth {
	const char *config_directory, *service;
	struct listener listeners[LISTEN_MAX];
	size_t listener_count;
	struct conf_override overrides[OVERRIDES_MAX];
	size_t override_count;
	int life_fd, status_fd, log_fd, metrics_fd;
	int later_fds[LATER_MAX];
	size_t later_count;
	int inherited[INHERITED_COUNT];
	enum log_sink sink;
	const char *const *arguments;
};

/* ---- arguments.c ---- */

/* Reads the command line (and cuts the -o arguments in two). 0 or -EINVAL with a reason. */
int arguments_read(int argc, char **argv, struct birth *birth, struct error *err);

/* ---- main.c ---- */

/* What programs.def says of this program, and daemon_add_calls. */
const struct program *daemon_entry(void);

/* ---- confine.c ---- */

/* Puts everything on, appending to *text what it was. */
int confine_program(const struct program *program, struct str *text, struct error *err);

/* ---- seccomp.c ---- */

/* Returns the number of calls allowed (with CALLS_EXEC: forbidden), or a negative errno. */
int seccomp_put_on(unsigned calls, struct error *err);

/* ---- serve.c ---- */

/* Starts one task for each listening socket. */
void serve_start(const struct daemon_program *program, const struct birth *birth);
/* Stops accepting and ends the waits of idle connections from other programs. */
void serve_retire(void);

/* ---- life.c ---- */

/* Before the program is confined, and after its prepare(). */
void life_prepare(void);
void life_start(const struct daemon_program *program, const struct birth *birth);
void life_retire(void);
/* For serve.c: a connection or other work begins or ends. */
void life_work_begin(void);
void life_work_end(void);
bool life_is_retiring(void);
/* One line to master. */
void life_report(int status_fd, const char *word, const char *text);

/* ---- peer.c ---- */

/* The address and what is written of it. */
void peer_set_client(struct peer *peer, const struct sockaddr_storage *address, socklen_t length);
void peer_set_server(struct peer *peer, const struct sockaddr_storage *address);

#endif
