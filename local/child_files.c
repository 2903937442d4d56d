/*
 * Files that a user names (.forward, includes), opened as that user. Their owner and mode are
 * looked at on the descriptor.
 */
#include "deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "table/tokens.h"

/*
 * The file decides what is run as its user, so nobody else may have written it. It is looked at
 * after it was opened: a name may be anything by then. Not blocking: it may be a pipe.
 */
static int candidate_open(const char *path, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP))
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EPERM, "%s is not a regular file", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return error_set(err, -EPERM, "%s belongs to somebody else (uid %u)", path,
				 (unsigned)st.st_uid);
	if (st.st_mode & S_IWOTH)
		return error_set(err, -EPERM, "%s may be written by everybody", path);
	return TAKE_FD(fd);
}

int child_open_source(struct view paths, struct error *err)
{
	struct view path;

	while (view_next(&paths, '\0', &path)) {
		_cleanup_free_ char *name = mem_strndup(path.data, path.len);
		int fd = candidate_open(name, err);

		if (fd != -ENOENT)
			return fd;
	}
	return -ENOENT;
}

int child_check(struct view paths, bool command, struct view target, struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	_cleanup_fd_ int fd = child_open_source(paths, err);
	int r;

	if (fd == -ENOENT)
		return error_set(err, -ENOENT, "the file that names \"%.*s\" is gone",
				 VIEW_ARG(target));
	if (fd < 0)
		return fd;
	r = token_source_read(fd, &text, err);
	if (r < 0)
		return r;
	if (token_stands_in(str_view(&text), command ? TOKEN_COMMAND : TOKEN_FILE, target))
		return 0;
	return error_set(err, -EPERM, "\"%.*s\" does not stand where it was said to stand",
			 VIEW_ARG(target));
}
