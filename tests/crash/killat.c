/*
 * A preloaded library that ends one program at its n-th system call that touches files, and counts
 * such calls. For tests/crash only.
 *
 *	KILLAT_STATE	file that all processes map: struct killat_state
 *	KILLAT_PROGRAM	name of the program that is counted (its argv[0]'s last part)
 *	KILLAT_SOCKETS	if it is set, calls on sockets count, too
 *
 * The state is mapped when the program starts, before it is confined, so it needs no file later;
 * it is shared, so that the count goes on through forks and the one that was killed stays the
 * only one.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct killat_state {
	_Atomic uint64_t armed; /* 1: count and kill */
	_Atomic uint64_t count;
	_Atomic uint64_t kill_at; /* 0: only count */
	_Atomic uint64_t killed;
};

static struct killat_state *state;
static int sockets;

__attribute__((constructor)) static void attach(void)
{
	const char *path = getenv("KILLAT_STATE"), *program = getenv("KILLAT_PROGRAM");

	if (path == NULL || program == NULL || strcmp(program, program_invocation_short_name) != 0)
		return;

	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	sockets = getenv("KILLAT_SOCKETS") != NULL;
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (state == MAP_FAILED)
		state = NULL;
}

/* Before the call: what it would do is not done. */
static void count(void)
{
	if (state == NULL || atomic_load(&state->armed) == 0)
		return;
	if (atomic_fetch_add(&state->count, 1) + 1 == atomic_load(&state->kill_at)) {
		atomic_store(&state->armed, 0);
		atomic_store(&state->killed, 1);
		/* tgkill and kill may be forbidden to the program; a trap that nothing handles is not. */
		__builtin_trap();
	}
}

/* Sockets, pipes and logs are no files of the queue or a mailbox. */
static int is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int counts(int fd)
{
	struct stat st;

	return is_file(fd) || (sockets && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode));
}

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))
#define WRAP(type, name, parameters, arguments, condition)                                         \
	type name parameters                                                                       \
	{                                                                                          \
		static typeof(&name) real;                                                         \
		if (real == NULL)                                                                  \
			real = REAL(name);                                                         \
		if (state != NULL && (condition))                                                  \
			count();                                                                   \
		return real arguments;                                                             \
	}

WRAP(ssize_t, write, (int fd, const void *data, size_t len), (fd, data, len), counts(fd))
WRAP(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), counts(fd))
WRAP(ssize_t, read, (int fd, void *data, size_t len), (fd, data, len), counts(fd))
WRAP(ssize_t, pread, (int fd, void *data, size_t len, off_t at), (fd, data, len, at), 1)
WRAP(ssize_t, pread64, (int fd, void *data, size_t len, off64_t at), (fd, data, len, at), 1)
WRAP(ssize_t, preadv, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), 1)
WRAP(ssize_t, sendfile, (int out, int in, off_t *at, size_t len), (out, in, at, len), 1)
WRAP(ssize_t, sendfile64, (int out, int in, off64_t *at, size_t len), (out, in, at, len), 1)
WRAP(ssize_t, send, (int fd, const void *data, size_t len, int flags), (fd, data, len, flags),
     sockets)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags), sockets)
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags), sockets)
WRAP(int, connect, (int fd, const struct sockaddr *a, socklen_t len), (fd, a, len), sockets)
WRAP(ssize_t, pwrite, (int fd, const void *data, size_t len, off_t at), (fd, data, len, at), 1)
WRAP(ssize_t, pwrite64, (int fd, const void *data, size_t len, off64_t at), (fd, data, len, at), 1)
WRAP(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), 1)
WRAP(int, fallocate, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len), 1)
WRAP(int, fsync, (int fd), (fd), 1)
WRAP(int, fdatasync, (int fd), (fd), 1)
WRAP(int, msync, (void *p, size_t len, int flags), (p, len, flags), 1)
WRAP(int, ftruncate, (int fd, off_t len), (fd, len), 1)
WRAP(int, ftruncate64, (int fd, off64_t len), (fd, len), 1)
WRAP(int, rename, (const char *from, const char *to), (from, to), 1)
WRAP(int, renameat, (int fd1, const char *from, int fd2, const char *to), (fd1, from, fd2, to), 1)
WRAP(int, renameat2, (int fd1, const char *from, int fd2, const char *to, unsigned flags),
     (fd1, from, fd2, to, flags), 1)
WRAP(int, link, (const char *from, const char *to), (from, to), 1)
WRAP(int, linkat, (int fd1, const char *from, int fd2, const char *to, int flags),
     (fd1, from, fd2, to, flags), 1)
WRAP(int, unlink, (const char *path), (path), 1)
WRAP(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), 1)
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode), 1)
WRAP(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode), 1)
WRAP(int, rmdir, (const char *path), (path), 1)
