/*
 * The log's file and socket, opened by master and handed down. What is written to it comes from
 * postlogd.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "ipc/ipc.h"
#include "master.h"
#include "task/task.h"

#define LOG_FILE_MODE	0640
#define SYSLOG_PATH	"/dev/log"
#define CHECK_PAUSE	1000 /* how often we look whether there is another file or daemon */
#define SYSLOG_PATIENCE 1    /* seconds that a line may wait for room */
/* What postlogd reads; below the folder of the private sockets. */
#define LINES_SOCKET   "private/postlog"
#define LINES_PATIENCE 1 /* seconds that a program waits for room, once */
#define STATE_SIZE     4096

static struct {
	int fd;
	bool is_syslog;
	struct stat peer; /* the socket that ours is connected to; st_ino 0: none */
} sink = { .fd = -1 };

static struct {
	int fd, state_fd;
} lines = { .fd = -1, .state_fd = -1 };

/* ---- syslog ---- */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/*
 * A datagram socket may be connected as often as one likes, and all programs share this one: so
 * those in a chroot, who cannot find /dev/log themselves, are heard again too.
 */
static int connect_syslog(int fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SYSLOG_PATH };
	struct stat peer = { 0 };

	sink.peer.st_ino = 0;
	if (stat(SYSLOG_PATH, &peer) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	sink.peer = peer;
	return 0;
}

/* The file has been moved away, as logrotate does. */
static bool file_was_moved(void)
{
	struct stat open_file, named;

	if (param.maillog_file[0] != '/' || fstat(sink.fd, &open_file) < 0 ||
	    !S_ISREG(open_file.st_mode))
		return false;
	if (stat(param.maillog_file, &named) < 0)
		return errno == ENOENT;
	return named.st_dev != open_file.st_dev || named.st_ino != open_file.st_ino;
}

static void follow_file(void)
{
	struct error err = ERROR_NONE;

	if (!file_was_moved())
		return;
	if (logfile_open(&err) < 0)
		log_error("%s", err.text); /* into the old one */
	else
		services_replace_log();
}

/* A daemon that starts anew makes a new socket; datagrams to the old one are lost without a word. */
static void watch_log(void *unused)
{
	struct sockaddr_un address;
	struct stat now;

	(void)unused;
	for (;;) {
		socklen_t len = sizeof(address);

		task_sleep(CHECK_PAUSE);
		if (!sink.is_syslog)
			follow_file();
		if (!sink.is_syslog || stat(SYSLOG_PATH, &now) < 0 ||
		    (sink.peer.st_ino != 0 && is_same(&now, &sink.peer) &&
		     getpeername(sink.fd, (struct sockaddr *)&address, &len) == 0))
			continue;
		if (connect_syslog(sink.fd) == 0)
			log_info("connected to a syslog daemon that has just started");
	}
}

void logfile_watch(void)
{
	task_spawn("log", watch_log, NULL);
}

static int open_syslog(bool needed)
{
	_cleanup_fd_ int fd = sink.is_syslog ? fcntl(sink.fd, F_DUPFD_CLOEXEC, 3)
					     : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct timeval patience = { .tv_sec = SYSLOG_PATIENCE };
	int r = fd < 0 ? -errno : connect_syslog(fd);

	/* For those who wait for a daemon that has fallen behind: not for ever. */
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));

	return r < 0 && (needed || fd < 0) ? r : TAKE_FD(fd);
}

/* ---- from the programs to the one that writes ---- */

/*
 * Bound to a name that only master may connect to, once for each program: so nobody else can, and
 * what one program does with its socket is nothing to the others. Master keeps this end, for what
 * waits in it while the reader is replaced.
 */
static int lines_open(struct error *err)
{
	struct sockaddr_un address;
	const int on = 1;
	mode_t mask;
	int r = ipc_socket_address(LINES_SOCKET, &address);
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (r < 0 || fd < 0)
		return error_set(err, r < 0 ? r : -errno, "make the socket %s", LINES_SOCKET);
	unlink(address.sun_path);
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (r < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return error_errno(err, "bind %s", address.sun_path);
	lines.fd = TAKE_FD(fd);
	lines.state_fd = memfd_create("log", MFD_CLOEXEC);
	if (lines.state_fd < 0 || ftruncate(lines.state_fd, STATE_SIZE) < 0)
		return error_errno(err, "make memory for the counts of the log");
	return 0;
}

int logfile_lines_fd(void)
{
	return lines.fd;
}

int logfile_state_fd(void)
{
	return lines.state_fd;
}

int logfile_connect(void)
{
	const struct timeval patience = { .tv_sec = LINES_PATIENCE };
	struct sockaddr_un address;
	int r = ipc_socket_address(LINES_SOCKET, &address);
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (r < 0 || fd < 0)
		return r < 0 ? r : -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

void logfile_close(void)
{
	struct sockaddr_un address;

	if (ipc_socket_address(LINES_SOCKET, &address) == 0)
		unlink(address.sun_path);
}

/* ---- any log ---- */

/* No syslog daemon: better there than nowhere, and if that is nowhere, to the one that may come. */
static int open_for_syslog(bool *is_syslog)
{
	struct stat null, error;
	bool is_seen = fstat(STDERR_FILENO, &error) == 0 && stat("/dev/null", &null) == 0 &&
		       (!S_ISCHR(error.st_mode) || error.st_rdev != null.st_rdev);
	int fd = open_syslog(is_seen);

	*is_syslog = fd >= 0;
	return fd >= 0 ? fd : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

int logfile_open(struct error *err)
{
	const char *path = param.maillog_file;
	_cleanup_(str_free) struct str tag = STR_EMPTY;
	bool is_syslog = false;
	int fd;

	if (path[0] == '\0')
		fd = open_for_syslog(&is_syslog);
	else if (strcmp(path, "/dev/stdout") == 0)
		/* Opening it anew would not append, and fails where it is a socket. */
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			  LOG_FILE_MODE);
	if (fd < 0)
		return error_errno(err, "open the log %s", path[0] == '\0' ? SYSLOG_PATH : path);
	if (sink.fd >= 0)
		close(sink.fd);
	sink.fd = fd;
	sink.is_syslog = is_syslog;
	str_printf(&tag, "%s/master", param.syslog_name);
	if (lines.fd < 0 && lines_open(err) < 0)
		return -EIO;
	log_open(str_cstr(&tag), fd, is_syslog ? LOG_SINK_SYSLOG : LOG_SINK_FILE,
		 strcmp(param.log_format, "json") == 0);
	return 0;
}

int logfile_fd(void)
{
	return sink.fd;
}

bool logfile_is_syslog(void)
{
	return sink.is_syslog;
}

bool logfile_is_heard(void)
{
	return !sink.is_syslog || sink.peer.st_ino != 0;
}
