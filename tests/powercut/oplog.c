/*
 * A preloaded library that writes down what programs do to files: each call with its data, in the
 * order in which it took effect, and when each fsync began and ended. model.py makes from this log
 * what a disk may hold after the power was cut at any place in it. For tests/powercut only.
 *
 *	OPLOG	file that all processes map: struct oplog, then the records
 *
 * The file is mapped when a program starts, before it is confined. Files and directories are known by
 * their inode numbers, so a chroot does not matter. One lock, shared by all, is held over a call and
 * its record; but not over an fsync, which has two records: what was written before the first is
 * durable from the second on. An fsync takes some time, as a disk does.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HEAD_SIZE 4096
#define PATH_SIZE 4096

/* The head of the file; `used` and `limit` are bytes from its start. model.py knows these places. */
struct oplog {
	uint64_t used, limit, overflow, token, ready;
	pthread_mutex_t lock;
	char parent[PATH_SIZE / 2]; /* only used with the lock held */
};
_Static_assert(sizeof(struct oplog) <= HEAD_SIZE, "the head has a page");

enum {
	OP_WRITE = 1,
	OP_TRUNCATE,
	OP_SYNC_BEGIN,
	OP_SYNC_END,
	OP_CREATE,
	OP_LINK,
	OP_UNLINK,
	OP_RENAME,
	OP_OWNER
};
enum { FLAG_DURABLE = 1 };

/* model.py has the same layout. Two names stand in the data as "name\0name2" (target of a symlink). */
struct record {
	uint32_t size; /* with data, a multiple of 8 */
	uint16_t type, flags;
	uint64_t time; /* CLOCK_MONOTONIC, nanoseconds */
	uint64_t inode, directory, directory2;
	uint64_t place;			 /* offset, length or token */
	uint64_t mtime, mtime2;		 /* of the directories, after the call */
	uint32_t mode, uid, gid, length; /* bytes of data */
};

static struct oplog *oplog;
static dev_t
	device; /* the disk in question is where the log lies; files in memory are no part of it */

#define REAL(name)                                                                                 \
	({                                                                                         \
		static typeof(&name) real_;                                                        \
		if (real_ == NULL)                                                                 \
			real_ = (typeof(&name))dlsym(RTLD_NEXT, #name);                            \
		real_;                                                                             \
	})

static void prepare_lock(void)
{
	pthread_mutexattr_t shared;

	pthread_mutexattr_init(&shared);
	pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&oplog->lock, &shared);
	pthread_mutexattr_destroy(&shared);
	oplog->ready = 1;
}

__attribute__((constructor)) static void attach(void)
{
	const char *path = getenv("OPLOG");
	struct stat st;

	if (path == NULL)
		return;

	int fd = REAL(open)(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0) {
		device = st.st_dev;
		oplog = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_NORESERVE, fd, 0);
		if (oplog == MAP_FAILED)
			oplog = NULL;
	}
	close(fd);
	/* The first is `posta start`, which starts the others. */
	if (oplog != NULL && oplog->ready == 0)
		prepare_lock();
}

/* ---- records ---- */

static uint64_t nanoseconds(struct timespec t)
{
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void begin(void)
{
	pthread_mutex_lock(&oplog->lock);
}

static void end(int saved)
{
	pthread_mutex_unlock(&oplog->lock);
	errno = saved;
}

/* Where the data of a record goes; NULL: the log is full. */
static char *put(const struct record *what, size_t length)
{
	struct record *record = (struct record *)((char *)oplog + oplog->used);
	size_t size = (sizeof(*record) + length + 7) & ~(size_t)7;
	struct timespec now;

	if (oplog->used + size > oplog->limit) {
		oplog->overflow = 1;
		return NULL;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	*record = *what;
	record->size = (uint32_t)size;
	record->time = nanoseconds(now);
	record->length = (uint32_t)length;
	oplog->used += size;
	return (char *)(record + 1);
}

static void put_with(const struct record *what, const void *data, size_t length)
{
	char *at = put(what, length);

	if (at != NULL && length > 0)
		memcpy(at, data, length);
}

static void put_names(const struct record *what, const char *name, const char *second)
{
	size_t first = strlen(name) + 1, length = first + (second ? strlen(second) : 0);
	char *at = put(what, length);

	if (at == NULL)
		return;
	memcpy(at, name, first);
	memcpy(at + first, second ? second : "", length - first);
}

/* A call that every sandbox of the suite allows, unlike the library's fstat. */
static int look(int fd, struct stat *st)
{
	return (int)syscall(SYS_fstat, fd, st);
}

static int is_file(int fd)
{
	struct stat st;

	return oplog != NULL && look(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_dev == device;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The directory that holds `path`: its number and time. */
static int look_parent(int at, const char *path, uint64_t *inode, uint64_t *mtime)
{
	const char *name = last_part(path);
	size_t length = (size_t)(name - path);
	struct stat st;

	if (length == 0 && at != AT_FDCWD) {
		if (look(at, &st) < 0)
			return -1;
	} else {
		if (length >= sizeof(oplog->parent))
			return -1;
		memcpy(oplog->parent, length > 0 ? path : ".", length > 0 ? length : 1);
		oplog->parent[length > 0 ? length : 1] = '\0';
		if (fstatat(at, oplog->parent, &st, 0) < 0)
			return -1;
	}
	*inode = st.st_ino;
	*mtime = nanoseconds(st.st_mtim);
	return 0;
}

static void fill(struct record *r, const struct stat *st)
{
	r->inode = st->st_ino;
	r->mode = st->st_mode;
	r->uid = st->st_uid;
	r->gid = st->st_gid;
}

/* A name that came into being or went. */
static void note_name(uint16_t type, int at, const char *path, const struct stat *st,
		      const char *second)
{
	struct record r = { .type = type };

	fill(&r, st);
	if (look_parent(at, path, &r.directory, &r.mtime) == 0)
		put_names(&r, last_part(path), second);
}

/* ---- content ---- */

static void note_write(int fd, off_t at, const void *data, size_t length)
{
	struct record r = { .type = OP_WRITE, .place = (uint64_t)at };
	struct stat st;
	int how = fcntl(fd, F_GETFL);

	if (look(fd, &st) < 0)
		return;
	r.inode = st.st_ino;
	if (how >= 0 && (how & O_DSYNC))
		r.flags = FLAG_DURABLE;
	put_with(&r, data, length);
}

static void note_vector(int fd, off_t at, const struct iovec *v, int n, ssize_t done)
{
	for (int i = 0; i < n && done > 0; i++) {
		size_t piece = v[i].iov_len < (size_t)done ? v[i].iov_len : (size_t)done;

		note_write(fd, at, v[i].iov_base, piece);
		at += (off_t)piece;
		done -= (ssize_t)piece;
	}
}

static off_t position(int fd)
{
	return lseek(fd, 0, SEEK_CUR);
}

ssize_t write(int fd, const void *data, size_t length)
{
	if (!is_file(fd))
		return REAL(write)(fd, data, length);
	begin();
	ssize_t n = REAL(write)(fd, data, length);
	int saved = errno;

	if (n > 0)
		note_write(fd, position(fd) - n, data, (size_t)n);
	end(saved);
	return n;
}

ssize_t writev(int fd, const struct iovec *v, int count)
{
	if (!is_file(fd))
		return REAL(writev)(fd, v, count);
	begin();
	ssize_t n = REAL(writev)(fd, v, count);
	int saved = errno;

	if (n > 0)
		note_vector(fd, position(fd) - n, v, count, n);
	end(saved);
	return n;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at)
{
	if (!is_file(fd))
		return REAL(pwrite)(fd, data, length, at);
	begin();
	ssize_t n = REAL(pwrite)(fd, data, length, at);
	int saved = errno;

	if (n > 0)
		note_write(fd, at, data, (size_t)n);
	end(saved);
	return n;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at)
{
	return pwrite(fd, data, length, at);
}

ssize_t pwritev(int fd, const struct iovec *v, int count, off_t at)
{
	if (!is_file(fd))
		return REAL(pwritev)(fd, v, count, at);
	begin();
	ssize_t n = REAL(pwritev)(fd, v, count, at);
	int saved = errno;

	if (n > 0)
		note_vector(fd, at, v, count, n);
	end(saved);
	return n;
}

ssize_t pwritev64(int fd, const struct iovec *v, int count, off64_t at)
{
	return pwritev(fd, v, count, at);
}

/* What went from file to file inside the kernel is read once more for the log. */
static void note_copied(int out, int in, off_t from, ssize_t n)
{
	char block[4096];
	off_t to = position(out) - n;

	while (n > 0) {
		ssize_t piece = pread(in, block,
				      n < (ssize_t)sizeof(block) ? (size_t)n : sizeof(block), from);

		if (piece <= 0)
			break;
		note_write(out, to, block, (size_t)piece);
		from += piece;
		to += piece;
		n -= piece;
	}
}

ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
	if (!is_file(out))
		return REAL(sendfile)(out, in, offset, count);
	begin();
	ssize_t n = REAL(sendfile)(out, in, offset, count);
	int saved = errno;

	if (n > 0)
		note_copied(out, in, (offset ? *offset : position(in)) - n, n);
	end(saved);
	return n;
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
	return sendfile(out, in, offset, count);
}

int ftruncate(int fd, off_t length)
{
	if (!is_file(fd))
		return REAL(ftruncate)(fd, length);
	begin();
	int result = REAL(ftruncate)(fd, length), saved = errno;
	struct record r = { .type = OP_TRUNCATE, .place = (uint64_t)length };
	struct stat st;

	if (result == 0 && look(fd, &st) == 0) {
		r.inode = st.st_ino;
		put_with(&r, NULL, 0);
	}
	end(saved);
	return result;
}

int ftruncate64(int fd, off64_t length)
{
	return ftruncate(fd, length);
}

/* ---- durability ---- */

static int sync_with(int fd, int (*real)(int))
{
	struct record r = { .type = OP_SYNC_BEGIN };
	struct stat st;

	if (oplog == NULL || look(fd, &st) < 0)
		return real(fd);
	r.inode = st.st_ino;
	begin();
	r.place = ++oplog->token;
	put_with(&r, NULL, 0);
	end(errno);

	/* A disk's time, up to two milliseconds, so that others do something meanwhile. */
	struct timespec pause = { .tv_nsec = (long)(r.place * 2654435761u % 2000000) };

	nanosleep(&pause, NULL);
	int result = real(fd), saved = errno;

	if (result < 0)
		return result;
	begin();
	r.type = OP_SYNC_END;
	put_with(&r, NULL, 0);
	end(saved);
	return result;
}

int fsync(int fd)
{
	return sync_with(fd, REAL(fsync));
}

int fdatasync(int fd)
{
	return sync_with(fd, REAL(fdatasync));
}

/* ---- names ---- */

static int open_at(int at, const char *path, int flags, mode_t mode)
{
	struct stat before, st;

	if (oplog == NULL || !(flags & (O_CREAT | O_TRUNC)))
		return REAL(openat)(at, path, flags, mode);
	begin();
	int existed = fstatat(at, path, &before, 0) == 0;
	int fd = REAL(openat)(at, path, flags, mode), saved = errno;

	if (fd >= 0 && look(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		struct record r = { .type = OP_TRUNCATE, .inode = st.st_ino };

		if (!existed)
			note_name(OP_CREATE, at, path, &st, NULL);
		else if (flags & O_TRUNC)
			put_with(&r, NULL, 0);
	}
	end(saved);
	return fd;
}

/* An unnamed file may have the number of one that is gone. */
static int open_unnamed(int at, const char *path, int flags, mode_t mode)
{
	struct record r = { .type = OP_CREATE };
	struct stat st;

	if (oplog == NULL)
		return REAL(openat)(at, path, flags, mode);
	begin();
	int fd = REAL(openat)(at, path, flags, mode), saved = errno;

	if (fd >= 0 && look(fd, &st) == 0) {
		fill(&r, &st);
		put_names(&r, "", NULL);
	}
	end(saved);
	return fd;
}

#define MODE_OF(flags, last)                                                                       \
	mode_t mode = 0;                                                                           \
	if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                   \
		va_list list;                                                                      \
		va_start(list, last);                                                              \
		mode = va_arg(list, mode_t);                                                       \
		va_end(list);                                                                      \
	}

static int open_any(int at, const char *path, int flags, mode_t mode)
{
	return (flags & O_TMPFILE) == O_TMPFILE ? open_unnamed(at, path, flags, mode)
						: open_at(at, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	MODE_OF(flags, flags)
	return open_any(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	MODE_OF(flags, flags)
	return open_any(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
	MODE_OF(flags, flags)
	return open_any(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
	MODE_OF(flags, flags)
	return open_any(at, path, flags, mode);
}

int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int renameat(int at, const char *from, int at2, const char *to)
{
	return renameat2(at, from, at2, to, 0);
}

int renameat2(int at, const char *from, int at2, const char *to, unsigned flags)
{
	struct record r = { .type = OP_RENAME };
	struct stat st;

	if (oplog == NULL)
		return REAL(renameat2)(at, from, at2, to, flags);
	begin();
	int known = fstatat(at, from, &st, AT_SYMLINK_NOFOLLOW) == 0;
	int result = REAL(renameat2)(at, from, at2, to, flags), saved = errno;

	if (result == 0 && known) {
		fill(&r, &st);
		if (look_parent(at, from, &r.directory, &r.mtime) == 0 &&
		    look_parent(at2, to, &r.directory2, &r.mtime2) == 0)
			put_names(&r, last_part(from), last_part(to));
	}
	end(saved);
	return result;
}

static int name_made(int result, uint16_t type, int at, const char *path, const char *second)
{
	int saved = errno;
	struct stat st;

	if (result == 0 && fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		note_name(type, at, path, &st, second);
	end(saved);
	return result;
}

int link(const char *from, const char *to)
{
	if (oplog == NULL)
		return REAL(link)(from, to);
	begin();
	return name_made(REAL(link)(from, to), OP_LINK, AT_FDCWD, to, NULL);
}

int linkat(int at, const char *from, int at2, const char *to, int flags)
{
	if (oplog == NULL)
		return REAL(linkat)(at, from, at2, to, flags);
	begin();
	return name_made(REAL(linkat)(at, from, at2, to, flags), OP_LINK, at2, to, NULL);
}

int symlink(const char *target, const char *path)
{
	if (oplog == NULL)
		return REAL(symlink)(target, path);
	begin();
	return name_made(REAL(symlink)(target, path), OP_CREATE, AT_FDCWD, path, target);
}

int symlinkat(const char *target, int at, const char *path)
{
	if (oplog == NULL)
		return REAL(symlinkat)(target, at, path);
	begin();
	return name_made(REAL(symlinkat)(target, at, path), OP_CREATE, at, path, target);
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

int mkdirat(int at, const char *path, mode_t mode)
{
	if (oplog == NULL)
		return REAL(mkdirat)(at, path, mode);
	begin();
	return name_made(REAL(mkdirat)(at, path, mode), OP_CREATE, at, path, NULL);
}

int unlinkat(int at, const char *path, int flags)
{
	struct stat st;

	if (oplog == NULL)
		return REAL(unlinkat)(at, path, flags);
	begin();
	int known = fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
	int result = REAL(unlinkat)(at, path, flags), saved = errno;

	if (result == 0 && known)
		note_name(OP_UNLINK, at, path, &st, NULL);
	end(saved);
	return result;
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

/* ---- owners ---- */

static int owner_changed(int result, int fd)
{
	struct record r = { .type = OP_OWNER };
	int saved = errno;
	struct stat st;

	if (result == 0 && oplog != NULL && look(fd, &st) == 0) {
		begin();
		fill(&r, &st);
		put_with(&r, NULL, 0);
		end(saved);
	}
	return result;
}

int fchown(int fd, uid_t uid, gid_t gid)
{
	return owner_changed(REAL(fchown)(fd, uid, gid), fd);
}

int fchmod(int fd, mode_t mode)
{
	return owner_changed(REAL(fchmod)(fd, mode), fd);
}
