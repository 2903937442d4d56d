/*
 * The filter of system calls, by kind of program and by argument. Files and ports are
 * landlock.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "daemon/internal.h"

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
	 CLONE_NEWCGROUP)

#define ALWAYS 0
/* A negative process number stands for a group of processes. */
#define PID_SIGN 0x80000000

/* Calls allowed whatever their arguments, by the flag that asks for them. */
static const struct call_set {
	unsigned flag;
	int calls[64]; /* up to a 0; negative: this machine does not have it */
} call_sets[] = {
	{ ALWAYS,
	  /* `read` is number 0 on some machines and is added by itself. */
	  { SCMP_SYS(readv),	      SCMP_SYS(pread64),   SCMP_SYS(preadv),
	    SCMP_SYS(write),	      SCMP_SYS(writev),	   SCMP_SYS(pwrite64),
	    SCMP_SYS(pwritev),	      SCMP_SYS(recvmsg),   SCMP_SYS(recvfrom),
	    SCMP_SYS(sendfile),	      SCMP_SYS(splice),	   SCMP_SYS(close),
	    SCMP_SYS(close_range),    SCMP_SYS(shutdown),  SCMP_SYS(lseek),
	    SCMP_SYS(fstat),	      SCMP_SYS(fsync),	   SCMP_SYS(fdatasync),
	    SCMP_SYS(flock),	      SCMP_SYS(fallocate), SCMP_SYS(fadvise64),
	    SCMP_SYS(pipe2),	      SCMP_SYS(dup),	   SCMP_SYS(dup3),
	    SCMP_SYS(eventfd2),	      SCMP_SYS(signalfd4), SCMP_SYS(timerfd_create),
	    SCMP_SYS(timerfd_settime) } },
	{ ALWAYS,
	  { SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	    SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(poll), SCMP_SYS(ppoll),
	    SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(accept), SCMP_SYS(accept4),
	    SCMP_SYS(connect), SCMP_SYS(getsockopt), SCMP_SYS(getsockname),
	    SCMP_SYS(getpeername) } },
	{ ALWAYS,
	  { SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(msync),
	    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(membarrier),
	    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu),
	    SCMP_SYS(getrandom), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrlimit),
	    SCMP_SYS(getrusage), SCMP_SYS(times) } },
	{ ALWAYS,
	  { SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
	    SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(rt_sigaction),
	    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait),
	    SCMP_SYS(rt_sigpending), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
	    SCMP_SYS(exit), SCMP_SYS(exit_group) } },
	{ ALWAYS,
	  { SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid),
	    SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getresuid),
	    SCMP_SYS(getresgid), SCMP_SYS(getgroups), SCMP_SYS(umask), SCMP_SYS(getcwd) } },
	{ CALLS_NETWORK, { SCMP_SYS(bind), SCMP_SYS(recvmmsg) } },
	{ CALLS_FILES_READ | CALLS_FILES_WRITE,
	  { SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
	    SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
	    SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(statfs), SCMP_SYS(fstatfs),
	    SCMP_SYS(chdir), SCMP_SYS(fchdir) } },
	{ CALLS_FILES_WRITE,
	  { SCMP_SYS(open),
	    SCMP_SYS(openat),
	    SCMP_SYS(creat),
	    SCMP_SYS(rename),
	    SCMP_SYS(renameat),
	    SCMP_SYS(renameat2),
	    SCMP_SYS(link),
	    SCMP_SYS(linkat),
	    SCMP_SYS(unlink),
	    SCMP_SYS(unlinkat),
	    SCMP_SYS(mkdir),
	    SCMP_SYS(mkdirat),
	    SCMP_SYS(rmdir),
	    SCMP_SYS(symlink),
	    SCMP_SYS(symlinkat),
	    SCMP_SYS(truncate),
	    SCMP_SYS(ftruncate),
	    SCMP_SYS(copy_file_range),
	    SCMP_SYS(sync_file_range),
	    SCMP_SYS(syncfs),
	    SCMP_SYS(chmod),
	    SCMP_SYS(fchmod),
	    SCMP_SYS(fchmodat),
	    SCMP_SYS(utimensat) } },
	{ CALLS_BECOME,
	  { SCMP_SYS(setuid),
	    SCMP_SYS(setgid),
	    SCMP_SYS(setreuid),
	    SCMP_SYS(setregid),
	    SCMP_SYS(setresuid),
	    SCMP_SYS(setresgid),
	    SCMP_SYS(setgroups),
	    SCMP_SYS(chroot),
	    SCMP_SYS(chown),
	    SCMP_SYS(lchown),
	    SCMP_SYS(fchown),
	    SCMP_SYS(fchownat),
	    SCMP_SYS(fork),
	    SCMP_SYS(vfork),
	    SCMP_SYS(wait4),
	    SCMP_SYS(waitid),
	    SCMP_SYS(setsid),
	    SCMP_SYS(setpgid),
	    SCMP_SYS(capget),
	    SCMP_SYS(capset),
	    SCMP_SYS(seccomp),
	    SCMP_SYS(landlock_create_ruleset),
	    SCMP_SYS(landlock_add_rule),
	    SCMP_SYS(landlock_restrict_self) } },
	{ CALLS_BECOME | CALLS_LOAD_CODE, { SCMP_SYS(mmap), SCMP_SYS(mprotect) } },
	{ CALLS_MEMORY_FILES, { SCMP_SYS(memfd_create) } },
	{ CALLS_RESIZE, { SCMP_SYS(ftruncate) } },
	{ CALLS_WATCH,
	  { SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch) } },
#ifdef POSTA_SANITIZE
	{ ALWAYS,
	  { SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(openat), SCMP_SYS(open),
	    SCMP_SYS(readlink), SCMP_SYS(newfstatat), SCMP_SYS(prctl), SCMP_SYS(prlimit64),
	    SCMP_SYS(getdents64), SCMP_SYS(personality), SCMP_SYS(tgkill), SCMP_SYS(kill) } },
#endif
};

/* Forbidden to what may run anything: what no mail delivery has to do with. */
static const int forbidden[] = {
	SCMP_SYS(mount),
	SCMP_SYS(umount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(reboot),
	SCMP_SYS(acct),
	SCMP_SYS(quotactl),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(syslog),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(vhangup),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(process_madvise),
	SCMP_SYS(kcmp),
	SCMP_SYS(fanotify_init),
	SCMP_SYS(quotactl_fd),
	SCMP_SYS(modify_ldt),
	SCMP_SYS(uselib),
	SCMP_SYS(personality),
};

struct filter {
	scmp_filter_ctx context;
	int count, problem;
};

static void filter_add(struct filter *f, uint32_t action, int call, unsigned conditions,
		       const struct scmp_arg_cmp *condition)
{
	int r;

	if (call < 0)
		return;
	r = seccomp_rule_add_array(f->context, action, call, conditions, condition);
	/* -EEXIST: two sets have it. */
	if (r < 0 && r != -EEXIST && f->problem == 0)
		f->problem = r;
	if (r == 0)
		f->count++;
}

static void filter_allow(struct filter *f, int call)
{
	filter_add(f, SCMP_ACT_ALLOW, call, 0, NULL);
}

static void filter_allow_if(struct filter *f, int call, struct scmp_arg_cmp condition)
{
	filter_add(f, SCMP_ACT_ALLOW, call, 1, &condition);
}

/* Only with this value in argument n, all 64 bits of it. */
static void filter_allow_with(struct filter *f, int call, unsigned n, uint64_t value)
{
	filter_allow_if(f, call, SCMP_CMP(n, SCMP_CMP_EQ, value));
}

/* Only without any of these bits in argument n. */
static void filter_allow_without(struct filter *f, int call, unsigned n, uint64_t bits)
{
	filter_allow_if(f, call, SCMP_CMP(n, SCMP_CMP_MASKED_EQ, bits, 0));
}

static void filter_add_files(struct filter *f, unsigned calls)
{
	const uint64_t writing = O_ACCMODE | O_CREAT | O_TRUNC;

	if (calls & (CALLS_FILES_READ | CALLS_FILES_WRITE)) {
		filter_allow_without(f, SCMP_SYS(open), 1, writing);
		filter_allow_without(f, SCMP_SYS(openat), 2, writing);
	}
	/* fstat() of newer C libraries: about an open descriptor, no path. */
	filter_allow_if(f, SCMP_SYS(newfstatat),
			SCMP_CMP(3, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
}

/* Flags and locks of descriptors. Not who gets their signals (F_SETOWN, F_SETSIG), no leases. */
static void filter_add_fcntl(struct filter *f, unsigned calls)
{
	static const struct {
		int command;
		unsigned flags;
	} commands[] = {
		{ F_DUPFD, ALWAYS },
		{ F_DUPFD_CLOEXEC, ALWAYS },
		{ F_GETFD, ALWAYS },
		{ F_SETFD, ALWAYS },
		{ F_GETFL, ALWAYS },
		{ F_GETLK, CALLS_FILES_READ | CALLS_FILES_WRITE | CALLS_RESIZE },
		{ F_SETLK, CALLS_FILES_READ | CALLS_FILES_WRITE | CALLS_RESIZE },
		{ F_SETLKW, CALLS_FILES_READ | CALLS_FILES_WRITE },
		{ F_ADD_SEALS, CALLS_MEMORY_FILES },
		{ F_GET_SEALS, CALLS_MEMORY_FILES },
	};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].flags == ALWAYS || commands[i].flags & calls)
			filter_allow_with(f, SCMP_SYS(fcntl), 1, (uint64_t)commands[i].command);
	/* What is open for appending stays so in the program that has the log. */
	if (!(calls & CALLS_APPEND_ONLY))
		filter_add(f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 2,
			   (struct scmp_arg_cmp[]){ SCMP_CMP(1, SCMP_CMP_EQ, F_SETFL),
						    SCMP_CMP(2, SCMP_CMP_MASKED_EQ, O_ASYNC, 0) });
}

/*
 * Options of a connection. None that reaches further: no filter on a socket on which several
 * programs listen, nothing that wakes code of the kernel's that nobody else uses.
 */
static void filter_add_options(struct filter *f, unsigned calls)
{
	static const struct {
		int level, option;
		unsigned flags;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, ALWAYS },
		{ SOL_SOCKET, SO_RCVBUF, CALLS_NETWORK },
		{ SOL_SOCKET, SO_SNDBUF, CALLS_NETWORK },
		{ SOL_SOCKET, SO_REUSEADDR, CALLS_NETWORK },
		/* How long a library waits: proxymap's. */
		{ SOL_SOCKET, SO_RCVTIMEO, CALLS_NETWORK },
		{ SOL_SOCKET, SO_SNDTIMEO, CALLS_NETWORK },
		{ IPPROTO_TCP, TCP_NODELAY, ALWAYS },
		{ IPPROTO_TCP, TCP_QUICKACK, ALWAYS },
		{ IPPROTO_TCP, TCP_MAXSEG, CALLS_NETWORK },
		{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, CALLS_NETWORK },
		{ IPPROTO_IP, IP_MTU_DISCOVER, CALLS_NETWORK },
		{ IPPROTO_IPV6, IPV6_V6ONLY, CALLS_NETWORK },
		{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, CALLS_NETWORK },
		{ IPPROTO_IPV6, IPV6_MTU, CALLS_NETWORK },
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].flags == ALWAYS || options[i].flags & calls)
			filter_add(f, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
				   (struct scmp_arg_cmp[]){
					   SCMP_CMP(1, SCMP_CMP_EQ, (scmp_datum_t)options[i].level),
					   SCMP_CMP(2, SCMP_CMP_EQ,
						    (scmp_datum_t)options[i].option) });
}

/*
 * A program that only accepts makes no socket of the network's; with MSG_FASTOPEN it could connect
 * one that it has disconnected. (connect() itself it needs for UNIX sockets: Landlock sees to that.)
 */
static void filter_add_sockets(struct filter *f, unsigned calls)
{
	filter_allow_with(f, SCMP_SYS(socket), 0, AF_UNIX);
	filter_allow_with(f, SCMP_SYS(socketpair), 0, AF_UNIX);
	if (calls & CALLS_NETWORK) {
		filter_allow_with(f, SCMP_SYS(socket), 0, AF_INET);
		filter_allow_with(f, SCMP_SYS(socket), 0, AF_INET6);
		filter_allow_without(f, SCMP_SYS(sendmmsg), 3, MSG_FASTOPEN);
	}
	filter_allow_without(f, SCMP_SYS(sendto), 3, MSG_FASTOPEN);
	filter_allow_without(f, SCMP_SYS(sendmsg), 2, MSG_FASTOPEN);
	filter_allow_with(f, SCMP_SYS(ioctl), 1, FIONREAD);
	filter_allow_with(f, SCMP_SYS(ioctl), 1, FIONBIO);
}

/* Threads but no processes; memory but no new code; signals to itself only (pid 0: to nobody). */
static void filter_add_process(struct filter *f, pid_t pid)
{
	/* The C library then falls back to clone, whose flags can be seen. */
	filter_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
	filter_allow_if(f, SCMP_SYS(clone),
			SCMP_CMP(0, SCMP_CMP_MASKED_EQ, NAMESPACES | CLONE_THREAD, CLONE_THREAD));
	filter_allow_without(f, SCMP_SYS(mmap), 2, PROT_EXEC);
	filter_allow_without(f, SCMP_SYS(mprotect), 2, PROT_EXEC);
	filter_allow_with(f, SCMP_SYS(prctl), 0, PR_SET_NAME);
	/* Reading limits, not setting them. */
	filter_allow_with(f, SCMP_SYS(prlimit64), 2, 0);
	/* abort() and the like. */
	if (pid > 0)
		filter_allow_with(f, SCMP_SYS(tgkill), 0, (uint64_t)pid);
}

/* What the privileged partners do with the children that they make: each by its number. */
static void filter_add_become(struct filter *f)
{
	static const int process_options[] = { PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS,
					       PR_SET_DUMPABLE,	    PR_GET_SECCOMP,
					       PR_SET_PDEATHSIG,    PR_CAPBSET_READ,
					       PR_CAPBSET_DROP,	    PR_SET_SECCOMP };
	static const int signals[] = { 0, SIGTERM, SIGKILL };

	for (size_t i = 0; i < ARRAY_SIZE(process_options); i++)
		filter_allow_with(f, SCMP_SYS(prctl), 0, (uint64_t)process_options[i]);
	/* One process, never a group of them. */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		filter_add(f, SCMP_ACT_ALLOW, SCMP_SYS(kill), 2,
			   (struct scmp_arg_cmp[]){
				   SCMP_CMP(0, SCMP_CMP_MASKED_EQ, PID_SIGN, 0),
				   SCMP_CMP(1, SCMP_CMP_EQ, (scmp_datum_t)signals[i]) });
	filter_allow_without(f, SCMP_SYS(clone), 0, NAMESPACES | CLONE_VM);
	/* Its own limits: what becomes a user has them from here. */
	filter_allow_with(f, SCMP_SYS(prlimit64), 0, 0);
}

static void filter_fill(struct filter *f, unsigned calls, pid_t pid)
{
	filter_allow(f, SCMP_SYS(read));
	for (size_t i = 0; i < ARRAY_SIZE(call_sets); i++) {
		const struct call_set *set = &call_sets[i];

		if (set->flag != ALWAYS && !(set->flag & calls))
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(set->calls) && set->calls[j] != 0; j++)
			filter_allow(f, set->calls[j]);
	}
	filter_add_files(f, calls);
	filter_add_fcntl(f, calls);
	filter_add_options(f, calls);
	filter_add_sockets(f, calls);
	filter_add_process(f, pid);
	if (calls & CALLS_BECOME)
		filter_add_become(f);
}

static uint32_t violation(void)
{
	if (param.seccomp_violation != NULL && strcmp(param.seccomp_violation, "kill") == 0)
		return SCMP_ACT_KILL_PROCESS;
	return SCMP_ACT_ERRNO(EPERM);
}

/* For what may run anything: all but what is forbidden. */
static void filter_fill_forbidden(struct filter *f)
{
	static const uint64_t namespaces[] = { CLONE_NEWNS,    CLONE_NEWUTS, CLONE_NEWIPC,
					       CLONE_NEWUSER,  CLONE_NEWPID, CLONE_NEWNET,
					       CLONE_NEWCGROUP };
	const uint32_t no = SCMP_ACT_ERRNO(EPERM);
	struct scmp_arg_cmp terminal = SCMP_CMP(1, SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCSTI);

	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
		filter_add(f, no, forbidden[i], 0, NULL);
	/* clone3's flags cannot be seen; the C library does without it. */
	filter_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		filter_add(f, no, SCMP_SYS(clone), 1,
			   &SCMP_CMP(0, SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
	filter_add(f, no, SCMP_SYS(ioctl), 1, &terminal);
}

static void filter_make(struct filter *f, unsigned calls, pid_t pid)
{
	f->context = seccomp_init(calls & CALLS_EXEC ? SCMP_ACT_ALLOW : violation());
	if (f->context == NULL)
		mem_exhausted();
	if (calls & CALLS_EXEC)
		filter_fill_forbidden(f);
	else
		filter_fill(f, calls, pid);
}

/* ---- made before it is put on ---- */

static struct {
	unsigned calls;
	int count;
	struct sock_fprog program; /* len 0: none */
} prepared;

static int filter_export(struct filter *f, struct sock_fprog *program)
{
	_cleanup_fd_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
	off_t size;
	int r = fd < 0 ? -errno : seccomp_export_bpf(f->context, fd);

	if (r < 0)
		return r;
	size = lseek(fd, 0, SEEK_END);
	program->filter = mem_new_bytes((size_t)MAX(size, (off_t)1));
	program->len = (unsigned short)((size_t)size / sizeof(struct sock_filter));
	return io_pread_all(fd, program->filter, (size_t)size, 0);
}

int daemon_confine_prepare(unsigned calls, struct error *err)
{
	struct filter f = { .count = 0 };

	filter_make(&f, calls, 0);
	(void)seccomp_attr_set(f.context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (f.problem == 0)
		f.problem = filter_export(&f, &prepared.program);
	seccomp_release(f.context);
	if (f.problem < 0)
		return error_set(err, f.problem, "make a seccomp filter: %s", strerror(-f.problem));
	prepared.calls = calls;
	prepared.count = f.count;
	return 0;
}

static int put_on_prepared(struct error *err)
{
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prepared.program) < 0)
		return error_errno(err, "put seccomp on");
	return prepared.count;
}

int seccomp_put_on(unsigned calls, struct error *err)
{
	struct filter f = { .count = 0 };

	if (prepared.program.len > 0 && prepared.calls == calls)
		return put_on_prepared(err);
	filter_make(&f, calls, getpid());
	/* A tree instead of a list, and for threads that a library may have started. */
	(void)seccomp_attr_set(f.context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	(void)seccomp_attr_set(f.context, SCMP_FLTATR_CTL_TSYNC, 1);
	/* The caller decides on no-new-privileges. */
	(void)seccomp_attr_set(f.context, SCMP_FLTATR_CTL_NNP, 0);
	if (f.problem == 0)
		f.problem = seccomp_load(f.context);
	seccomp_release(f.context);
	if (f.problem < 0)
		return error_set(err, f.problem, "put seccomp on: %s", strerror(-f.problem));
	return f.count;
}
