/*
 * What a confined program cannot do. Each set of calls is put on in a process of its own, which
 * then tries everything; the table says in which sets a call works. A call that is let through
 * fails for another reason than EPERM, or does no harm.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
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
static long try_resize(void)
{
	return ftruncate(-1, 0);
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

/* Signals to whom one may not send any: the kernel would, for this descriptor's owner. */
static long try_set_owner(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return fcntl(fd, F_SETOWN, getpid());
}
static long try_set_owner_ex(void)
{
	struct f_owner_ex owner = { .type = F_OWNER_PID, .pid = getpid() };
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return fcntl(fd, F_SETOWN_EX, &owner);
}
static long try_set_signal(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return fcntl(fd, F_SETSIG, SIGKILL);
}
static long try_async(void)
{
	int fds[2];

	return pipe2(fds, O_CLOEXEC) < 0 ? -1 : fcntl(fds[0], F_SETFL, O_ASYNC);
}
static long try_ioctl_owner(void)
{
	int fds[2], pid = getpid();

	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ? -1 : ioctl(fds[0], FIOSETOWN, &pid);
}
static long try_lease(void)
{
	return fcntl(0, F_SETLEASE, F_UNLCK);
}
static long try_pipe_size(void)
{
	int fds[2];

	return pipe2(fds, O_CLOEXEC) < 0 ? -1 : fcntl(fds[1], F_SETPIPE_SZ, 4096);
}
static long try_not_append(void)
{
	int fds[2];

	return pipe2(fds, O_CLOEXEC) < 0 ? -1 : fcntl(fds[1], F_SETFL, 0);
}
static long try_type(void)
{
	return ioctl(-1, TIOCSTI, "x");
}
static long try_socket_filter(void)
{
	return setsockopt(-1, SOL_SOCKET, SO_ATTACH_FILTER, NULL, 0);
}
static long try_upper_protocol(void)
{
	return setsockopt(-1, IPPROTO_TCP, TCP_ULP, "tls", 3);
}
static long try_keepalive(void)
{
	return setsockopt(-1, SOL_SOCKET, SO_KEEPALIVE, NULL, 0);
}
static long try_fast_open(void)
{
	return sendto(-1, "x", 1, MSG_FASTOPEN, NULL, 0);
}
static long try_user_namespace(void)
{
	return syscall(SYS_clone, CLONE_NEWUSER | CLONE_VM, NULL, NULL, NULL, NULL) < 0 &&
			       errno == EPERM
		       ? -1
		       : 0;
}
static long try_kill_group(void)
{
	return kill(-999999, 0);
}
static long try_signal_thread(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0);
}
static long try_timer(void)
{
	return syscall(SYS_timer_create, 9999, NULL, NULL);
}
static long try_pidfd(void)
{
	return syscall(SYS_pidfd_open, getpid(), 0);
}
static long try_take_descriptor(void)
{
	return syscall(SYS_pidfd_getfd, -1, 0, 0);
}
static long try_limit_of_another(void)
{
	struct rlimit none = { 0, 0 };

	return syscall(SYS_prlimit64, 999999999, RLIMIT_CPU, &none, NULL);
}
static long try_memory_file(void)
{
	return syscall(SYS_memfd_create, "test", 3U);
}
static long try_seal(void)
{
	int fd = (int)try_memory_file();

	return fd < 0 ? -1 : fcntl(fd, F_ADD_SEALS, 0);
}
static long try_lock(void)
{
	struct flock lock = { .l_type = F_UNLCK };

	return fcntl(0, F_SETLK, &lock);
}
static long try_shared_memory(void)
{
	return syscall(SYS_shmget, 0, 4096UL, 0);
}
static long try_watch_files(void)
{
	return syscall(SYS_inotify_init1, 0);
}
static long try_by_handle(void)
{
	return syscall(SYS_open_by_handle_at, -1, NULL, 0);
}
static long try_node(void)
{
	return mknod(NOWHERE, S_IFIFO, 0);
}
static long try_fault_handler(void)
{
	return syscall(SYS_userfaultfd, 99999);
}
static long try_perf(void)
{
	return syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0UL);
}
static long try_old_layout(void)
{
	return syscall(SYS_personality, 0xffffffffUL);
}
static long try_timer_slack(void)
{
	return prctl(PR_SET_TIMERSLACK, 50000, 0, 0, 0);
}

#define NETWORK CALLS_NETWORK
#define FILES	(CALLS_FILES_READ | CALLS_FILES_WRITE)
#define WRITES	CALLS_FILES_WRITE
#define BECOME	CALLS_BECOME
#define EXEC	CALLS_EXEC
#define MEMORY	CALLS_MEMORY_FILES
#define WATCH	CALLS_WATCH
#define RESIZE	CALLS_RESIZE
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
	{ "ftruncate", try_resize, WRITES | RESIZE | EXEC, false },
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
	{ "fcntl(F_SETOWN)", try_set_owner, EXEC, false },
	{ "fcntl(F_SETOWN_EX)", try_set_owner_ex, EXEC, false },
	{ "fcntl(F_SETSIG)", try_set_signal, EXEC, false },
	{ "fcntl(F_SETFL, O_ASYNC)", try_async, EXEC, false },
	{ "ioctl(FIOSETOWN)", try_ioctl_owner, EXEC, false },
	{ "fcntl(F_SETLEASE)", try_lease, EXEC, false },
	{ "fcntl(F_SETPIPE_SZ)", try_pipe_size, EXEC, false },
	{ "fcntl(F_SETLK)", try_lock, FILES | RESIZE | EXEC, false },
	{ "fcntl(F_ADD_SEALS)", try_seal, MEMORY | EXEC, true },
	{ "memfd_create", try_memory_file, MEMORY | EXEC, false },
	{ "ioctl(TIOCSTI)", try_type, NEVER, false },
	{ "setsockopt(SO_ATTACH_FILTER)", try_socket_filter, EXEC, false },
	{ "setsockopt(TCP_ULP)", try_upper_protocol, EXEC, false },
	{ "setsockopt(SO_KEEPALIVE)", try_keepalive, ALWAYS, false },
	{ "sendto(MSG_FASTOPEN)", try_fast_open, EXEC, false },
	{ "clone(CLONE_NEWUSER)", try_user_namespace, NEVER, false },
	{ "kill of a group", try_kill_group, EXEC, true },
	{ "tgkill of another", try_signal_thread, EXEC, true },
	{ "timer_create", try_timer, EXEC, false },
	{ "pidfd_open", try_pidfd, EXEC, false },
	{ "pidfd_getfd", try_take_descriptor, NEVER, false },
	{ "prlimit64 of another", try_limit_of_another, EXEC, true },
	{ "shmget", try_shared_memory, EXEC, false },
	{ "inotify_init1", try_watch_files, WATCH | EXEC, false },
	{ "open_by_handle_at", try_by_handle, NEVER, false },
	{ "mknod", try_node, NEVER, false },
	{ "userfaultfd", try_fault_handler, NEVER, false },
	{ "perf_event_open", try_perf, NEVER, false },
	{ "personality", try_old_layout, NEVER, true },
	{ "prctl(PR_SET_TIMERSLACK)", try_timer_slack, EXEC, true },
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
		CALLS_MEMORY_FILES,
		CALLS_WATCH,
		CALLS_RESIZE,
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

/* A socket that was accepted is taken apart and connected anew: the way around socket(). */
static void reach_is_limited(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_un hidden = { .sun_family = AF_UNIX, .sun_path = "\0posta-test-reach" };
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	char folders[] = "/tmp/posta-test-reach-XXXXXX";
	socklen_t len = sizeof(here);
	int listening = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	int abstract = socket(AF_UNIX, SOCK_STREAM, 0), other = socket(AF_UNIX, SOCK_STREAM, 0);
	struct error err;
	unsigned limits;
	int accepted;

	CHECK(bind(listening, (struct sockaddr *)&here, len) == 0 && listen(listening, 5) == 0);
	CHECK(getsockname(listening, (struct sockaddr *)&here, &len) == 0);
	CHECK(connect(client, (struct sockaddr *)&here, len) == 0);
	accepted = accept(listening, NULL, NULL);
	CHECK(accepted >= 0);
	/* It listens for another process: what this one makes itself it may reach. */
	hidden.sun_path[sizeof(hidden.sun_path) - 1] = (char)('a' + getpid() % 26);
	CHECK(bind(abstract, (struct sockaddr *)&hidden, sizeof(hidden)) == 0);
	CHECK(listen(abstract, 5) == 0);
	CHECK(mkdtemp(folders) != NULL && chdir(folders) == 0);
	CHECK(mkdir("a", 0700) == 0 && mkdir("b", 0700) == 0 && mkdir("a/file", 0700) == 0);
	CHECK(daemon_limit_reach(false, &limits, &err) == 0);
	/* What is moved between folders is none of its business. */
	CHECK(rename("a/file", "b/file") == 0);
	CHECK(rmdir("b/file") == 0 && rmdir("a") == 0 && rmdir("b") == 0 && rmdir(folders) == 0);
	CHECK(connect(accepted, &nobody, sizeof(nobody)) == 0);
	if (limits & LIMITS_NETWORK)
		CHECK(connect(accepted, (struct sockaddr *)&here, len) < 0 && errno == EACCES);
	else
		CHECK(connect(accepted, (struct sockaddr *)&here, len) == 0);
	if (limits & LIMITS_SCOPES) {
		CHECK(connect(other, (struct sockaddr *)&hidden, sizeof(hidden)) < 0 &&
		      errno == EPERM);
		CHECK(kill(getppid(), 0) < 0 && errno == EPERM);
	}
	CHECK(kill(getpid(), 0) == 0);
}

static void appending_stays(void)
{
	struct error err;

	CHECK(try_not_append() == 0);
	CHECK(daemon_confine(CALLS_APPEND_ONLY, &err) == 0);
	CHECK(try_not_append() < 0 && errno == EPERM);
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
	char own[] = "/tmp/posta-become-XXXXXX", file[64];

	/* A folder that is not his may have been put there in the meantime. */
	CHECK(daemon_become(65534, 65534, "nobody", "/etc", &err) == -EPERM);
	CHECK(mkdtemp(own) != NULL && chown(own, 65534, 65534) == 0);
	snprintf(file, sizeof(file), "%s/passwd", own);
	close(open(file, O_WRONLY | O_CREAT, 0644));
	CHECK(daemon_become(65534, 65534, "nobody", own, &err) == 0);
	CHECK(getuid() == 65534 && geteuid() == 65534 && getgid() == 65534);
	CHECK(getgroups(0, NULL) == 1);
	CHECK(access("/passwd", R_OK) == 0); /* the root is his folder now */
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

static void test_reach(void **state)
{
	(void)state;
	in_child(reach_is_limited);
}

static void test_appending(void **state)
{
	(void)state;
	in_child(appending_stays);
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
		cmocka_unit_test(test_reach),
		cmocka_unit_test(test_appending),
		cmocka_unit_test(test_become),
	};

	(void)daemon_running_as_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
