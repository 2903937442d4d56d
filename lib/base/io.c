/*
 * Whole reads and writes, and files that are replaced at once. It waits, so tasks use it only for
 * local files.
 */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/random.h"

FILE *io_stream(int fd, const char *mode)
{
	FILE *stream = fd >= 0 ? fdopen(fd, mode) : NULL;
	int problem = errno;

	if (stream == NULL && fd >= 0)
		close(fd);
	errno = problem;
	return stream;
}

int io_write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_pwrite_all(int fd, const void *data, size_t len, off_t offset)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = pwrite(fd, at, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Takes `done` bytes off the front of *parts. */
static void iovec_advance(struct iovec **parts, size_t *count, size_t done)
{
	for (; *count > 0 && done >= (*parts)->iov_len; (*parts)++, (*count)--)
		done -= (*parts)->iov_len;
	if (*count > 0) {
		(*parts)->iov_base = (char *)(*parts)->iov_base + done;
		(*parts)->iov_len -= done;
	}
}

int io_pwritev_all(int fd, struct iovec *parts, size_t count, off_t offset)
{
	while (count > 0) {
		ssize_t n = pwritev(fd, parts, (int)count, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		offset += n;
		iovec_advance(&parts, &count, (size_t)n);
	}
	return 0;
}

int io_preadv_all(int fd, struct iovec *parts, size_t count, off_t offset)
{
	while (count > 0) {
		ssize_t n = preadv(fd, parts, (int)count, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		offset += n;
		iovec_advance(&parts, &count, (size_t)n);
	}
	return 0;
}

int io_pread_all(int fd, void *data, size_t len, off_t offset)
{
	char *at = data;

	while (len > 0) {
		ssize_t n = pread(fd, at, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		at += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_source_read(const struct io_source *source, void *data, size_t len, uint64_t at)
{
	if (at > source->size || len > source->size - at)
		return -ENODATA;
	if (source->bytes == NULL)
		return io_pread_all(source->file, data, len, (off_t)(source->offset + at));
	if (len > 0)
		memcpy(data, source->bytes + at, len);
	return 0;
}

void io_source_close(struct io_source *source)
{
	mem_closep(&source->file);
}

int io_read_file(const char *path, size_t limit, struct str *out, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "%s is not a regular file", path);
	for (size_t total = 0;;) {
		char *at = str_reserve(out, 16384);
		ssize_t n = read(fd, at, 16384);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "read %s", path);
		if (n == 0)
			return 0;
		total += (size_t)n;
		if (total > limit)
			return error_set(err, -EFBIG, "%s is larger than %zu bytes", path, limit);
		str_grow(out, (size_t)n);
	}
}

int io_rename_new(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* A file system that cannot do that has links, mostly. */
	if (link(from, to) < 0)
		return -errno;
	unlink(from);
	return 0;
}

int io_sync_directory(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

void io_folder_of(const char *path, struct str *folder)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		str_set(folder, VIEW("."));
	else
		str_set(folder, view_make(path, slash == path ? 1 : (size_t)(slash - path)));
}

int io_read_link(const char *path, struct str *target)
{
	ssize_t n;

	str_clear(target);
	n = readlink(path, str_reserve(target, PATH_MAX), PATH_MAX);
	if (n < 0)
		return -errno;
	if (n == PATH_MAX)
		return -ENAMETOOLONG;
	str_grow(target, (size_t)n);
	return 0;
}

int io_replace_file(const char *path, struct view content, mode_t mode, struct error *err)
{
	_cleanup_(str_free) struct str beside = STR_EMPTY, folder = STR_EMPTY;
	const char *aside;
	struct stat before;
	int r;

	str_printf(&beside, "%s.%016llx.tmp", path, (unsigned long long)random_u64());
	aside = str_cstr(&beside);

	_cleanup_fd_ int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		return error_errno(err, "create %s", aside);
	r = io_write_all(fd, content.data, content.len);
	/* Who could read the old one can read the new one; if we may not say so, it is ours. */
	if (r == 0 && stat(path, &before) == 0)
		(void)!fchown(fd, before.st_uid, before.st_gid);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && rename(aside, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(aside);
		return error_code(err, r, "write %s", path);
	}
	io_folder_of(path, &folder);
	r = io_sync_directory(str_cstr(&folder));
	if (r < 0)
		return error_code(err, r, "fsync the folder of %s", path);
	return 0;
}

/* What is in it shall not be lost with its name. The folder above may be closed to us: not our doing. */
static int make_durable_directory(const char *path, mode_t mode)
{
	_cleanup_(str_free) struct str above = STR_EMPTY;
	int r;

	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	io_folder_of(path, &above);
	r = io_sync_directory(str_cstr(&above));
	return r == -EACCES ? 0 : r;
}

int io_make_directories(const char *path, mode_t mode, struct error *err)
{
	_cleanup_free_ char *part = mem_strdup(path);
	struct stat st;

	if (strlen(path) >= PATH_MAX)
		return error_set(err, -ENAMETOOLONG, "path too long: %.100s...", path);
	for (char *at = part + 1;; at++) {
		if (*at != '/' && *at != '\0')
			continue;

		char was = *at;

		*at = '\0';
		int r = make_durable_directory(part, mode);

		if (r < 0)
			return error_code(err, r, "create folder %s", part);
		*at = was;
		if (was != '\0')
			continue;
		/* What was there may have been a file. */
		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			return 0;
		errno = ENOTDIR;
		return error_errno(err, "create folder %s", path);
	}
}
