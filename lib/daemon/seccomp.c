#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
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

/* Calls allowed whatever their arguments, by the flag that asks for them. */
static const struct call_set {
	unsigned flag;
	int calls[64]; /* up to a 0; negative: this machine does not have it */
} call_sets[] = {
	{ ALWAYS,
	  /* `read` is number 0 on some machines and is added by itself. */
	  { SCMP_SYS(readv),	 SCMP_SYS(pread64),	   SCMP_SYS(preadv),
	    SCMP_SYS(write),	 SCMP_SYS(writev),	   SCMP_SYS(pwrite64),
	    SCMP_SYS(pwritev),	 SCMP_SYS(recvmsg),	   SCMP_SYS(recvfrom),
	    SCMP_SYS(sendmsg),	 SCMP_SYS(sendto),	   SCMP_SYS(sendfile),
	    SCMP_SYS(splice),	 SCMP_SYS(close),	   SCMP_SYS(close_range),
	    SCMP_SYS(shutdown),	 SCMP_SYS(lseek),	   SCMP_SYS(fstat),
	    SCMP_SYS(fsync),	 SCMP_SYS(fdatasync),	   SCMP_SYS(fcntl),
	    SCMP_SYS(flock),	 SCMP_SYS(fadvise64),	   SCMP_SYS(pipe2),
	    SCMP_SYS(dup),	 SCMP_SYS(dup3),	   SCMP_SYS(eventfd2),
	    SCMP_SYS(signalfd4), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime) } },
	{ ALWAYS,
	  { SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	    SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(poll), SCMP_SYS(ppoll),
	    SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(accept), SCMP_SYS(accept4),
	    SCMP_SYS(connect), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname),
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
	{ CALLS_NETWORK, { SCMP_SYS(bind), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg) } },
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
	    SCMP_SYS(fallocate),
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
	    SCMP_SYS(kill),
	    SCMP_SYS(tgkill),
	    SCMP_SYS(setsid),
	    SCMP_SYS(setpgid),
	    SCMP_SYS(prlimit64),
	    SCMP_SYS(setrlimit),
	    SCMP_SYS(capget),
	    SCMP_SYS(capset),
	    SCMP_SYS(seccomp),
	    SCMP_SYS(prctl),
	    SCMP_SYS(clone),
	    SCMP_SYS(landlock_create_ruleset),
	    SCMP_SYS(landlock_add_rule),
	    SCMP_SYS(landlock_restrict_self) } },
	{ CALLS_BECOME | CALLS_LOAD_CODE, { SCMP_SYS(mmap), SCMP_SYS(mprotect) } },
	{ CALLS_MEMORY_FILES, { SCMP_SYS(memfd_create) } },
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
};

struct filter {
	scmp_filter_ctx context;
	int count, problem;
};

static void add(struct filter *f, uint32_t action, int call, unsigned conditions,
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

static void allow(struct filter *f, int call)
{
	add(f, SCMP_ACT_ALLOW, call, 0, NULL);
}

static void allow_if(struct filter *f, int call, struct scmp_arg_cmp condition)
{
	add(f, SCMP_ACT_ALLOW, call, 1, &condition);
}

/* Only without any of these bits in argument n. */
static void allow_without(struct filter *f, int call, unsigned n, uint64_t bits)
{
	allow_if(f, call, SCMP_CMP(n, SCMP_CMP_MASKED_EQ, bits, 0));
}

static void add_files(struct filter *f, unsigned calls)
{
	const uint64_t writing = O_ACCMODE | O_CREAT | O_TRUNC;

	if (calls & (CALLS_FILES_READ | CALLS_FILES_WRITE)) {
		allow_without(f, SCMP_SYS(open), 1, writing);
		allow_without(f, SCMP_SYS(openat), 2, writing);
	}
	/* fstat() of newer C libraries: about an open descriptor, no path. */
	allow_if(f, SCMP_SYS(newfstatat),
		 SCMP_CMP(3, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
}

static void add_sockets(struct filter *f, unsigned calls)
{
	allow_if(f, SCMP_SYS(socket), SCMP_CMP(0, SCMP_CMP_EQ, AF_UNIX));
	allow_if(f, SCMP_SYS(socketpair), SCMP_CMP(0, SCMP_CMP_EQ, AF_UNIX));
	if (calls & CALLS_NETWORK) {
		allow_if(f, SCMP_SYS(socket), SCMP_CMP(0, SCMP_CMP_EQ, AF_INET));
		allow_if(f, SCMP_SYS(socket), SCMP_CMP(0, SCMP_CMP_EQ, AF_INET6));
	}
	allow_if(f, SCMP_SYS(ioctl), SCMP_CMP(1, SCMP_CMP_EQ, FIONREAD));
	allow_if(f, SCMP_SYS(ioctl), SCMP_CMP(1, SCMP_CMP_EQ, FIONBIO));
}

/* Threads but no processes; memory but no new code; signals to itself only (pid 0: to nobody). */
static void add_process(struct filter *f, pid_t pid)
{
	/* The C library then falls back to clone, whose flags can be seen. */
	add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
	allow_if(f, SCMP_SYS(clone),
		 SCMP_CMP(0, SCMP_CMP_MASKED_EQ, NAMESPACES | CLONE_THREAD, CLONE_THREAD));
	allow_without(f, SCMP_SYS(mmap), 2, PROT_EXEC);
	allow_without(f, SCMP_SYS(mprotect), 2, PROT_EXEC);
	allow_if(f, SCMP_SYS(prctl), SCMP_CMP(0, SCMP_CMP_EQ, PR_SET_NAME));
	/* Reading limits, not setting them. */
	allow_if(f, SCMP_SYS(prlimit64), SCMP_CMP(2, SCMP_CMP_EQ, 0));
	/* abort() and the like. */
	if (pid > 0)
		allow_if(f, SCMP_SYS(tgkill), SCMP_CMP(0, SCMP_CMP_EQ, (scmp_datum_t)pid));
}

static void fill_allowed(struct filter *f, unsigned calls, pid_t pid)
{
	allow(f, SCMP_SYS(read));
	for (size_t i = 0; i < ARRAY_SIZE(call_sets); i++) {
		const struct call_set *set = &call_sets[i];

		if (set->flag != ALWAYS && !(set->flag & calls))
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(set->calls) && set->calls[j] != 0; j++)
			allow(f, set->calls[j]);
	}
	add_files(f, calls);
	add_sockets(f, calls);
	add_process(f, pid);
}

static uint32_t violation(void)
{
	if (param.seccomp_violation != NULL && strcmp(param.seccomp_violation, "kill") == 0)
		return SCMP_ACT_KILL_PROCESS;
	return SCMP_ACT_ERRNO(EPERM);
}

static void filter_make(struct filter *f, unsigned calls, pid_t pid)
{
	bool anything = calls & CALLS_EXEC;

	f->context = seccomp_init(anything ? SCMP_ACT_ALLOW : violation());
	if (f->context == NULL)
		mem_exhausted();
	if (anything)
		for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
			add(f, SCMP_ACT_ERRNO(EPERM), forbidden[i], 0, NULL);
	else
		fill_allowed(f, calls, pid);
}

/* ---- made before it is put on ---- */

static struct {
	unsigned calls;
	int count;
	struct sock_fprog program; /* len 0: none */
} prepared;

static int export_filter(struct filter *f, struct sock_fprog *program)
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
		f.problem = export_filter(&f, &prepared.program);
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
