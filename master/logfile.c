#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "master.h"

#define LOG_FILE_MODE 0640

static struct {
	int fd;
	bool is_syslog;
} sink = { .fd = -1 };

static int open_syslog(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int logfile_open(struct error *err)
{
	const char *path = param.maillog_file;
	_cleanup_(str_free) struct str tag = STR_EMPTY;
	bool is_syslog = path[0] == '\0';
	int fd;

	if (is_syslog) {
		fd = open_syslog();
		if (fd < 0) {
			/* No syslog daemon: better there than nowhere. */
			is_syslog = false;
			fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
		}
	} else if (strcmp(path, "/dev/stdout") == 0) {
		/* Opening it anew would not append, and fails where it is a socket. */
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	} else {
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			  LOG_FILE_MODE);
	}
	if (fd < 0)
		return error_errno(err, "open the log %s", is_syslog ? "/dev/log" : path);
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
