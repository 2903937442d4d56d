/*
 * What a confined program cannot do. Each set of calls is put on in a process of its own, which
 * then tries everything; the table says in which sets a call works. A call that is let through
 * fails for another reason than EPERM, or does no harm.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "daemon/daemon.h"

#define NOWHERE "/nonexistent/file"

enum { NEVER = 0, ALWAYS = ~0 };

/* Each returns what the call returned; errno tells the rest. */
static long try_execve(void)
{
	char *nothing[] = { NULL };

	return execve(NOWHERE, nothing, nothing);
}
static long try_open_to_read(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}
static long try_open_to_write(void)
{
	return open(NOWHERE, O_WRONLY | O_CLOEXEC);
}
static long try_create(void)
{
	return open(NOWHERE, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
}
static long try_truncate(void)
{
	return open(NOWHERE, O_RDONLY | O_TRUNC | O_CLOEXEC);
}
static long try_stat(void)
{
	struct stat st;

	return stat("/etc/passwd", &st);
}
static long try_unlink(void)
{
	return unlink(NOWHERE);
}
static long try_rename(void)
{
	return rename(NOWHERE, NOWHERE "2");
}
static long try_chmod(void)
{
	return chmod(NOWHERE, 0777);
}
static long try_chown(void)
{
	return chown(NOWHERE, 1, 1);
}
static long try_inet(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}
static long try_inet6(void)
{
	return socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}
static long try_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
}
static long try_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
}
static long try_bind(void)
{
	return bind(-1, NULL, 0);
}
static long try_listen(void)
{
	return listen(-1, 1);
}
static long try_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, 999999999, NULL, NULL);
}
static long try_read_memory(void)
{
	return syscall(SYS_process_vm_readv, 999999999, NULL, 0UL, NULL, 0UL, 0UL);
}
static long try_setuid(void)
{
	return setuid(getuid());
}
static long try_setgroups(void)
{
	return syscall(SYS_setgroups, 100000, NULL); /* too many: EINVAL, or EPERM */
}
static long try_chroot(void)
{
	return chroot(NOWHERE);
}
static long try_mount(void)
{
	return mount("none", NOWHERE, "tmpfs", 0, NULL);
}
static long try_unshare(void)
{
	return syscall(SYS_unshare, 0);
}
static long try_module(void)
{
	return syscall(SYS_init_module, NULL, 0UL, "");
}
static long try_bpf(void)
{
	return syscall(SYS_bpf, 99999, NULL, 0);
}
static long try_io_uring(void)
{
	return syscall(SYS_io_uring_setup, 0, NULL);
}
static long try_keyctl(void)
{
	return syscall(SYS_keyctl, 99999);
}
static long try_kill(void)
{
	return kill(getpid(), 0);
}
static long try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}
static long try_map_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? -1 : 0;
}
static long try_make_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}
static long try_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void *thread(void *argument)
{
	return argument;
}
static long try_thread(void)
{
	pthread_t id;
	int r = pthread_create(&id, NULL, thread, NULL);

	errno = r;
	return r == 0 ? pthread_join(id, NULL) : -1;
}
static long try_unix_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = NOWHERE };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, sizeof(address));
}
static long try_pair(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}
static long try_fstat(void)
{
	struct stat st;

	return fstat(0, &st);
}
static long try_epoll(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}
static long try_limit_read(void)
{
	return sysconf(_SC_OPEN_MAX);
}

#define NETWORK CALLS_NETWORK
#define FILES	(CALLS_FILES_READ | CALLS_FILES_WRITE)
#define WRITES	CALLS_FILES_WRITE
#define BECOME	CALLS_BECOME
#define EXEC	CALLS_EXEC
#define CODE	(CALLS_BECOME | CALLS_LOAD_CODE)

static const struct attempt {
	const char *name;
	long (*call)(void);
	int allowed_by; /* any of these flags lets it through */
	bool sanitizers_need_it;
} attempts[] = {
	{ "execve", try_execve, EXEC, false },
	{ "open to read", try_open_to_read, FILES | EXEC, true },
	{ "open to write", try_open_to_write, WRITES | EXEC, true },
	{ "create", try_create, WRITES | EXEC, true },
	{ "truncate", try_truncate, WRITES | EXEC, true },
	{ "stat", try_stat, FILES | EXEC, true },
	{ "unlink", try_unlink, WRITES | EXEC, false },
	{ "rename", try_rename, WRITES | EXEC, false },
	{ "chmod", try_chmod, WRITES | EXEC, false },
	{ "chown", try_chown, BECOME | EXEC, false },
	{ "socket(AF_INET)", try_inet, NETWORK | EXEC, false },
	{ "socket(AF_INET6)", try_inet6, NETWORK | EXEC, false },
	{ "socket(AF_NETLINK)", try_netlink, EXEC, false },
	{ "socket(AF_PACKET)", try_packet, EXEC, false },
	{ "bind", try_bind, NETWORK | EXEC, false },
	{ "listen", try_listen, EXEC, false },
	{ "ptrace", try_ptrace, NEVER, false },
	{ "process_vm_readv", try_read_memory, NEVER, false },
	{ "setuid", try_setuid, BECOME | EXEC, false },
	{ "setgroups", try_setgroups, BECOME | EXEC, false },
	{ "chroot", try_chroot, BECOME | EXEC, false },
	{ "mount", try_mount, NEVER, false },
	{ "unshare", try_unshare, NEVER, false },
	{ "init_module", try_module, NEVER, false },
	{ "bpf", try_bpf, NEVER, false },
	{ "io_uring_setup", try_io_uring, NEVER, false },
	{ "keyctl", try_keyctl, NEVER, false },
	{ "kill", try_kill, BECOME | EXEC, true },
	{ "fork", try_fork, BECOME | EXEC, true },
	{ "mmap of code", try_map_code, CODE | EXEC, true },
	{ "mprotect to code", try_make_code, CODE | EXEC, true },
	{ "prctl(PR_SET_DUMPABLE)", try_dumpable, BECOME | EXEC, true },
	{ "pthread_create", try_thread, ALWAYS, false },
	{ "connect(AF_UNIX)", try_unix_socket, ALWAYS, false },
	{ "socketpair", try_pair, ALWAYS, false },
	{ "fstat", try_fstat, ALWAYS, false },
	{ "epoll_create1", try_epoll, ALWAYS, false },
	{ "sysconf", try_limit_read, ALWAYS, false },
};

enum { SKIPPED = 's', ALLOWED = 'a', REFUSED = 'r' };

#ifdef POSTA_SANITIZE
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

/* In the child: confined, one letter for each attempt. */
static void try_all(unsigned calls, int report)
{
	char results[ARRAY_SIZE(attempts)];
	struct error err = ERROR_NONE;

	if (daemon_confine(calls, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		if (sanitized && attempts[i].sanitizers_need_it) {
			results[i] = SKIPPED;
			continue;
		}
		errno = 0;
		long r = attempts[i].call();

		results[i] = r < 0 && errno == EPERM ? REFUSED : ALLOWED;
	}
	_exit(write(report, results, sizeof(results)) == sizeof(results) ? 0 : 1);
}

static void check_set(unsigned calls)
{
	char results[ARRAY_SIZE(attempts)];
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0)
		try_all(calls, ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], results, sizeof(results)), sizeof(results));
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		bool allowed = attempts[i].allowed_by == ALWAYS ||
			       (attempts[i].allowed_by & (int)calls) != 0;

		/* Who is not root is refused some of them by the kernel anyway. */
		if (results[i] == SKIPPED || (allowed && results[i] == REFUSED && geteuid() != 0))
			continue;
		if (results[i] != (allowed ? ALLOWED : REFUSED))
			fail_msg("calls %u: %s was %s", calls, attempts[i].name,
				 allowed ? "refused" : "let through");
	}
}

static void every_set_allows_what_it_says(void **state)
{
	static const unsigned sets[] = {
		0,
		CALLS_NETWORK,
		CALLS_FILES_READ,
		CALLS_FILES_READ | CALLS_FILES_WRITE,
		CALLS_NETWORK | CALLS_FILES_READ,
		CALLS_LOAD_CODE | CALLS_FILES_READ,
		CALLS_BECOME | CALLS_FILES_READ | CALLS_FILES_WRITE,
		CALLS_EXEC,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		check_set(sets[i]);
}

/* ---- in a child, since it cannot be undone ---- */

static void in_child(void (*test)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		test();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("the child's check on line %d failed", WEXITSTATUS(status));
}

/* Ends the child with the line's number as its status (the lines wanted are below 512). */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			_exit(__LINE__ % 255 + 1);                                                 \
	} while (0)

static void filters_only_take_away(void)
{
	struct error err;

	CHECK(daemon_confine(CALLS_BECOME | CALLS_NETWORK, &err) == 0);
	CHECK(try_inet() >= 0);
	CHECK(daemon_confine(CALLS_FILES_READ, &err) == 0);
	CHECK(try_inet() < 0 && errno == EPERM);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 || errno == EPERM);
}

static void files_are_limited(void)
{
	const char *etc[] = { "/etc", NULL }, *nothing[] = { NULL };
	struct error err;
	int r = daemon_limit_files(etc, false, &err);

	CHECK(r >= 0);
	if (r == 0)
		return; /* not in this kernel */
	CHECK(open("/etc/passwd", O_RDONLY) >= 0);
	CHECK(open("/proc/self/status", O_RDONLY) < 0 && errno == EACCES);
	CHECK(open("/etc/posta-test", O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES);
	CHECK(daemon_limit_files(nothing, false, &err) == 1);
	CHECK(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
}

static void becoming_is_for_good(void)
{
	struct error err;

	CHECK(daemon_become(0, 65534, "root", NULL, &err) == -EPERM);
	if (geteuid() != 0) {
		CHECK(daemon_become(geteuid() + 1, 65534, "x", NULL, &err) == -EPERM);
		CHECK(daemon_become(geteuid(), getegid(), "x", "/", &err) == 0);
		return;
	}
	CHECK(daemon_become(65534, 0, "wheel", NULL, &err) == -EPERM);
	CHECK(daemon_become(65534, 65534, "nobody", "/etc", &err) == 0);
	CHECK(getuid() == 65534 && geteuid() == 65534 && getgid() == 65534);
	CHECK(getgroups(0, NULL) == 1);
	CHECK(access("/passwd", R_OK) == 0); /* the root is /etc now */
	CHECK(setuid(0) < 0 && setgid(0) < 0);
	CHECK(chroot("/") < 0);
}

static void test_filters(void **state)
{
	(void)state;
	in_child(filters_only_take_away);
}

static void test_files(void **state)
{
	(void)state;
	in_child(files_are_limited);
}

static void test_become(void **state)
{
	(void)state;
	in_child(becoming_is_for_good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_set_allows_what_it_says),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_become),
	};

	(void)daemon_running_as_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
