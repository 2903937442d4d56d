#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "master.h"
#include "task/task.h"

#define LOG_FILE_MODE	0640
#define SYSLOG_PATH	"/dev/log"
#define SYSLOG_CHECK	1000  /* how often we look whether there is another syslog daemon */
#define SYSLOG_PATIENCE 1     /* seconds that a line may wait for room */
#define SYSLOG_IDLE	60000 /* where the log goes elsewhere */

static struct {
	int fd;
	bool is_syslog;
	struct stat peer; /* the socket that ours is connected to; st_ino 0: none */
} sink = { .fd = -1 };

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

/* A daemon that starts anew makes a new socket; datagrams to the old one are lost without a word. */
static void watch_syslog(void *unused)
{
	struct sockaddr_un address;
	struct stat now;

	(void)unused;
	for (;;) {
		socklen_t len = sizeof(address);

		task_sleep(sink.is_syslog ? SYSLOG_CHECK : SYSLOG_IDLE);
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
	task_spawn("syslog", watch_syslog, NULL);
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
