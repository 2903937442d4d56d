/*
 * What every program does at birth and death, in one place: read the configuration, inherit
 * sockets from master, open what must be opened, drop privilege, confine itself, serve, retire.
 * A program is a table and its functions:
 *
 *	static const struct daemon_program program = {
 *		.name = "smtpd", .prepare = open_tables, .serve_client = serve_client,
 *	};
 *	int main(int argc, char **argv) { return daemon_main(argc, argv, &program); }
 *
 * As whom it runs, in which root directory, with which calls, and whose messages it is given stands
 * in programs.def (programs.h): nobody else is let in, and nothing else is handed to serve_ipc.
 *
 * Started by master only (it refuses otherwise): listening sockets, the log, the status pipe and
 * the life line to master come as inherited descriptors named in arguments.
 *
 * Life: prepare() runs with the rights that master gave, before any byte from outside. Then user,
 * groups, chroot, no-new-privileges, Landlock, seccomp and limits are put on; start() runs as the
 * first task; each connection is a task. The program retires when master says so (reload), when
 * one of its tables changed, or when master died: it stops accepting, lets running sessions end,
 * and exits. On stop, waits for input end with -ESHUTDOWN, so that sessions say goodbye.
 * service_retire_time and service_stop_time bound both.
 *
 * Not running as root: no user switch and no chroot; seccomp, Landlock and no-new-privileges are
 * put on all the same. The working directory is the chroot, or would be: the queue directory for
 * DAEMON_ROOT_QUEUE, so that relative paths mean the same either way.
 *
 * A call that seccomp does not allow fails with EPERM (seccomp_violation = kill: ends the
 * program), so look here first when something that works alone fails in a program.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"
#include "daemon/programs.h"
#include "ipc/ipc.h"
#include "task/stream.h"
#include "task/task.h"

/* What the program's seccomp list allows beyond memory, time, signals, reading and writing open
 * descriptors, epoll, threads and UNIX sockets. */
enum daemon_calls {
	CALLS_NETWORK = 1,     /* make sockets of the network: TCP to others, UDP. Accepting needs
				nothing, so a program that only accepts has not even this */
	CALLS_FILES_READ = 2,  /* open for reading, stat, readdir */
	CALLS_FILES_WRITE = 4, /* create, rename, link, unlink, mkdir, truncate, chmod, lock */
	CALLS_BECOME = 8,      /* setuid and kin, chroot, fork, wait: the privileged partners */
	CALLS_EXEC = 16,       /* execve: PAM, and daemon_confine_launcher. What is run inherits the
				filter and needs anything, so this alone is a list of what is
				forbidden */
	CALLS_LOAD_CODE =
		32, /* map memory as code: PAM and NSS modules (CALLS_BECOME has it too) */
	CALLS_MEMORY_FILES = 64, /* memfd_create */
	CALLS_APPEND_ONLY = 128, /* takes away: a descriptor's O_APPEND stays */
	CALLS_WATCH = 256,	 /* inotify: to hear of changes of files */
	CALLS_RESIZE = 512, /* ftruncate, and locks by fcntl: databases that are open already */
};

struct peer {
	struct sockaddr_storage address;
	socklen_t address_length;
	char text[64]; /* "192.0.2.1", "2001:db8::1" */
	uint16_t port;
	char server_text[64];
	uint16_t server_port;
};

struct daemon_program {
	const char *name;
	/* NULL: the entry of programs.def with this name. Tests have one of their own. */
	const struct program *entry;
	/* Before confinement. 0, or a negative errno with a reason: the start fails. */
	int (*prepare)(struct error *err);
	/* First task after confinement. May be NULL. */
	void (*start)(void);
	/* An inet connection (serve_client) or one from another program (serve_ipc), each in a
	 * task of its own. What they are handed is freed by the caller when they return. */
	void (*serve_client)(struct stream *io, const struct peer *peer);
	void (*serve_ipc)(struct ipc *ipc);
	/*
	 * A client waits to be accepted and there are as many as may be: ends one that can be
	 * spared. False: there is none, and the new one waits. May be NULL.
	 */
	bool (*make_room)(void);
	/* A part of its descriptors is not for clients that it accepts: daemon_files_kept(). */
	bool keeps_files;
	/* Retiring: nothing new comes; e.g. qmgr stops starting deliveries. May be NULL. */
	void (*retire)(void);
};

int daemon_main(int argc, char **argv, const struct daemon_program *program);

/* Name of the service in master.cf that this process runs for ("smtp", "submission", "lmtp"). */
const char *daemon_service_name(void);
/* Arguments of the master.cf line that are not -o. */
const char *const *daemon_arguments(void);
/* master asked us to finish (or died): be brief. */
bool daemon_is_retiring(void);
/* A quarter of the descriptors that the program may have, or very many: for what it keeps beside its clients. */
size_t daemon_files_kept(void);
/* Finish and be replaced, as if a table had changed. */
void daemon_retire(void);
/*
 * Around work that is not a connection's and that must end before a retiring program exits: a
 * delivery that qmgr has given out, a child process.
 */
void daemon_work_begin(void);
void daemon_work_end(void);
bool daemon_running_as_root(void);
/* What only one program is given: the ends and the counts of the log. -1: not given. */
enum daemon_inherited { INHERITED_LINES, INHERITED_STATE, INHERITED_COUNT };
int daemon_inherited(enum daemon_inherited what);
/* For prepare(): calls that this program needs beyond those of programs.def, as configured. */
void daemon_add_calls(unsigned calls);

/*
 * Drops to a user for good, verified: supplementary groups, gid, uid, no way back. For the
 * privileged partners after fork. -EPERM for uid or gid 0. `chroot_to` NULL: none. Not running as
 * root: only checks that it is this user already, and enters `chroot_to`.
 */
int daemon_become(uid_t uid, gid_t gid, const char *user_name, const char *chroot_to,
		  struct error *err);
/*
 * Puts seccomp (calls as above), no-new-privileges, not dumpable on; for such a child. On top of
 * the parent's filter: it can only take away.
 */
int daemon_confine(unsigned calls, struct error *err);
/*
 * For a process that a privileged partner has made in prepare() to run commands as users, apart from
 * the partner itself. They may be set-gid programs (mailing list managers are), which
 * no-new-privileges would break: where root runs it, it goes without, and without Landlock.
 */
int daemon_confine_launcher(struct error *err);
/*
 * For a program whose children all ask for these calls, before it is confined itself: makes the
 * filter once. To make it takes longer than all else in the birth of a child.
 */
int daemon_confine_prepare(unsigned calls, struct error *err);
/*
 * No access to files at all but below these paths (NULL-terminated; Landlock). 1, or 0 where the
 * kernel lacks it, or a negative errno. Sockets are not files here: connecting still works.
 */
int daemon_limit_files(const char *const *paths, bool writable, struct error *err);
/*
 * Landlock once more, for what a path does not say: without `network` no TCP connection to others
 * and no port (what is accepted works; a socket that is there already cannot be connected anew),
 * and neither signals to whom this process has not made nor UNIX sockets that are no files. For
 * all: no program is run, and no device, pipe or socket made in a folder. *limits says what of it
 * this kernel has: versions 2, 4 and 6 of its interface, Linux 5.19, 6.7 and 6.12.
 */
enum { LIMITS_PROGRAMS = 1, LIMITS_NETWORK = 2, LIMITS_SCOPES = 4 };
int daemon_limit_reach(bool network, unsigned *limits, struct error *err);

#endif
