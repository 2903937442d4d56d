/*
 * A preloaded library that makes the n-th call of a kind fail in one program, and counts such
 * calls. For tests/faults only; the sister of tests/crash/killat.c, which kills instead.
 *
 *	FAILAT_STATE	file that all processes map: struct failat_state
 *
 * The state is mapped when the program starts, before it is confined, so it needs no file later;
 * it is shared, so that the count goes on through forks and the test can arm it at any time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
	MEMORY = 1,	 /* ENOMEM */
	FILES = 2,	 /* of queue and mailboxes: what changes them; ENOSPC and EIO */
	DESCRIPTORS = 4, /* what makes a descriptor: EMFILE */
	CLOSE = 8,	 /* closed all the same, as Linux does; EIO */
	SOCKETS = 16,	 /* ECONNRESET, ENOBUFS and the like */
	READS = 32,	 /* of files: EIO */
	PROCESSES = 64,	 /* threads and children: EAGAIN */
};

struct failat_state {
	_Atomic uint64_t armed;	   /* kinds that are counted; 0: none */
	_Atomic uint64_t fail_at;  /* 0: only count */
	_Atomic uint64_t failures; /* how many calls in a row fail from there on */
	_Atomic uint64_t failed;
	char program[64];	   /* which is meant: the last part of its path */
	_Atomic uint64_t count[7]; /* of each kind */
};

static struct failat_state *state;

__attribute__((constructor)) static void attach(void)
{
	const char *path = getenv("FAILAT_STATE");

	if (path == NULL)
		return;

	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;

	void *memory = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	close(fd);
	if (memory != MAP_FAILED)
		state = memory;
}

/* Whether this call is to fail. */
static int fails(enum kind kind)
{
	if (state == NULL || (atomic_load(&state->armed) & kind) == 0 ||
	    strcmp(state->program, program_invocation_short_name) != 0)
		return 0;

	uint64_t number = atomic_fetch_add(&state->count[__builtin_ctz(kind)], 1) + 1;
	uint64_t first = atomic_load(&state->fail_at);

	if (first == 0 || number < first || number >= first + atomic_load(&state->failures))
		return 0;
	atomic_fetch_add(&state->failed, 1);
	return 1;
}

/* Of the queue or a mailbox; the log, which is appended to by all, is not. */
static int is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !(fcntl(fd, F_GETFL) & O_APPEND);
}

static int is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* ---- memory: not through dlsym, which wants memory itself ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

void *malloc(size_t size)
{
	return fails(MEMORY) ? no_memory() : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails(MEMORY) ? no_memory() : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return fails(MEMORY) ? no_memory() : __libc_realloc(old, size);
}

/* ---- the rest ---- */

#define REAL(name)                                                                                 \
	static typeof(&name) real;                                                                 \
	if (real == NULL)                                                                          \
	real = (typeof(&name))dlsym(RTLD_NEXT, #name)

#define WRAP(type, name, parameters, arguments, kind, condition, error)                            \
	type name parameters                                                                       \
	{                                                                                          \
		REAL(name);                                                                        \
		if (state != NULL && (condition) && fails(kind)) {                                 \
			errno = error;                                                             \
			return (type)-1;                                                           \
		}                                                                                  \
		return real arguments;                                                             \
	}

WRAP(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n),
     is_socket(fd) ? SOCKETS : FILES, is_file(fd) || is_socket(fd),
     is_file(fd) ? ENOSPC : ECONNRESET)
WRAP(ssize_t, write, (int fd, const void *p, size_t len), (fd, p, len),
     is_socket(fd) ? SOCKETS : FILES, is_file(fd) || is_socket(fd),
     is_file(fd) ? ENOSPC : ECONNRESET)
WRAP(ssize_t, pwrite, (int fd, const void *p, size_t len, off_t at), (fd, p, len, at), FILES, 1,
     ENOSPC)
WRAP(ssize_t, pwrite64, (int fd, const void *p, size_t len, off64_t at), (fd, p, len, at), FILES, 1,
     ENOSPC)
WRAP(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), FILES, 1,
     ENOSPC)
WRAP(int, fallocate, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len), FILES, 1, ENOSPC)
WRAP(int, fsync, (int fd), (fd), FILES, 1, EIO)
WRAP(int, fdatasync, (int fd), (fd), FILES, 1, EIO)
WRAP(int, msync, (void *p, size_t len, int flags), (p, len, flags), FILES, 1, EIO)
WRAP(int, ftruncate, (int fd, off_t len), (fd, len), FILES, 1, EIO)
WRAP(int, ftruncate64, (int fd, off64_t len), (fd, len), FILES, 1, EIO)
WRAP(int, rename, (const char *from, const char *to), (from, to), FILES, 1, ENOSPC)
WRAP(int, renameat, (int fd1, const char *from, int fd2, const char *to), (fd1, from, fd2, to),
     FILES, 1, ENOSPC)
WRAP(int, renameat2, (int fd1, const char *from, int fd2, const char *to, unsigned flags),
     (fd1, from, fd2, to, flags), FILES, 1, ENOSPC)
WRAP(int, link, (const char *from, const char *to), (from, to), FILES, 1, ENOSPC)
WRAP(int, linkat, (int fd1, const char *from, int fd2, const char *to, int flags),
     (fd1, from, fd2, to, flags), FILES, 1, ENOSPC)
WRAP(int, unlink, (const char *path), (path), FILES, 1, EIO)
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), FILES, 1, EIO)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), FILES, 1, ENOSPC)
WRAP(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode), FILES, 1, ENOSPC)

WRAP(ssize_t, pread, (int fd, void *p, size_t len, off_t at), (fd, p, len, at), READS, 1, EIO)
WRAP(ssize_t, pread64, (int fd, void *p, size_t len, off64_t at), (fd, p, len, at), READS, 1, EIO)
WRAP(ssize_t, read, (int fd, void *p, size_t len), (fd, p, len), is_socket(fd) ? SOCKETS : READS,
     is_file(fd) || is_socket(fd), is_file(fd) ? EIO : ECONNRESET)

WRAP(ssize_t, preadv, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), READS, 1,
     EIO)
WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), DESCRIPTORS, 1, EMFILE)
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol), DESCRIPTORS, 1,
     EMFILE)
WRAP(int, socketpair, (int domain, int type, int protocol, int pair[2]),
     (domain, type, protocol, pair), DESCRIPTORS, 1, EMFILE)
WRAP(int, accept4, (int fd, struct sockaddr *a, socklen_t *len, int flags), (fd, a, len, flags),
     DESCRIPTORS, 1, EMFILE)
WRAP(int, eventfd, (unsigned value, int flags), (value, flags), DESCRIPTORS, 1, EMFILE)
WRAP(int, epoll_create1, (int flags), (flags), DESCRIPTORS, 1, EMFILE)
WRAP(int, pipe2, (int ends[2], int flags), (ends, flags), DESCRIPTORS, 1, EMFILE)
WRAP(int, dup, (int fd), (fd), DESCRIPTORS, 1, EMFILE)

WRAP(int, epoll_ctl, (int e, int op, int fd, struct epoll_event *event), (e, op, fd, event),
     SOCKETS, op != EPOLL_CTL_DEL, ENOMEM)
WRAP(int, connect, (int fd, const struct sockaddr *a, socklen_t len), (fd, a, len), SOCKETS, 1,
     ECONNREFUSED)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags), SOCKETS, 1,
     ENOBUFS)
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags), SOCKETS, 1,
     ECONNRESET)
WRAP(ssize_t, recv, (int fd, void *p, size_t len, int flags), (fd, p, len, flags), SOCKETS, 1,
     ECONNRESET)
WRAP(ssize_t, send, (int fd, const void *p, size_t len, int flags), (fd, p, len, flags), SOCKETS, 1,
     ECONNRESET)
WRAP(ssize_t, sendfile, (int out, int in, off_t *at, size_t len), (out, in, at, len), SOCKETS, 1,
     ECONNRESET)
WRAP(ssize_t, sendfile64, (int out, int in, off64_t *at, size_t len), (out, in, at, len), SOCKETS,
     1, ECONNRESET)

WRAP(pid_t, fork, (void), (), PROCESSES, 1, EAGAIN)

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
		   void *argument)
{
	REAL(pthread_create);
	return fails(PROCESSES) ? EAGAIN : real(thread, attributes, run, argument);
}

int close(int fd)
{
	REAL(close);

	int failed = state != NULL && (is_file(fd) || is_socket(fd)) && fails(CLOSE);
	int r = real(fd);

	if (!failed)
		return r;
	errno = EIO;
	return -1;
}

#define WRAP_OPEN(name, parameters, ...)                                                           \
	int name parameters                                                                        \
	{                                                                                          \
		mode_t mode = 0;                                                                   \
		REAL(name);                                                                        \
		if (flags & (O_CREAT | __O_TMPFILE)) {                                             \
			va_list list;                                                              \
			va_start(list, flags);                                                     \
			mode = va_arg(list, mode_t);                                               \
			va_end(list);                                                              \
		}                                                                                  \
		if (fails(DESCRIPTORS)) {                                                          \
			errno = flags & O_CREAT ? ENOSPC : EMFILE;                                 \
			return -1;                                                                 \
		}                                                                                  \
		return real(__VA_ARGS__, flags, mode);                                             \
	}

WRAP_OPEN(open, (const char *path, int flags, ...), path)
WRAP_OPEN(open64, (const char *path, int flags, ...), path)
WRAP_OPEN(openat, (int at, const char *path, int flags, ...), at, path)
WRAP_OPEN(openat64, (int at, const char *path, int flags, ...), at, path)
