/*
 * A program gives up what it does not need: user, root, capabilities, calls. The filter of calls
 * and Landlock have files of their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/internal.h"

/* Groups beside its own: of connector all that its user has, of others these two at most. */
#define GROUPS_MAX 64

struct identity {
	const char *name;
	uid_t uid;
	gid_t gid, groups[GROUPS_MAX];
	size_t group_count;
};

bool daemon_running_as_root(void)
{
	static int as_root = -1;

	/* What it was at birth: asked once there. */
	if (as_root < 0)
		as_root = geteuid() == 0;
	return as_root == 1;
}

/* ---- users ---- */

static int confine_find_user(const char *name, uid_t *uid, gid_t *gid, struct error *err)
{
	const struct passwd *user = getpwnam(name);

	if (user == NULL)
		return error_set(err, -EINVAL, "there is no user %s on this system", name);
	if (user->pw_uid == 0 || user->pw_gid == 0)
		return error_set(err, -EPERM, "user %s has the rights of root", name);
	*uid = user->pw_uid;
	*gid = user->pw_gid;
	return 0;
}

/* What the administrator made the user a member of: other software's sockets are open to groups. */
static int identity_take_groups(struct identity *id, struct error *err)
{
	gid_t all[GROUPS_MAX];
	int count = ARRAY_SIZE(all);

	if (getgrouplist(id->name, id->gid, all, &count) < 0)
		return error_set(err, -E2BIG, "user %s is in more than %d groups", id->name,
				 GROUPS_MAX);
	for (int i = 0; i < count && id->group_count < GROUPS_MAX; i++)
		if (all[i] != id->gid && all[i] != 0)
			id->groups[id->group_count++] = all[i];
	return 0;
}

/* Looks up everything while the system's files can still be read. */
static int identity_find(enum daemon_user user, struct identity *id, struct error *err)
{
	uid_t mail_uid;
	gid_t mail_gid;
	const struct group *shadow;
	int r;

	id->name = program_user_name(user);
	id->group_count = 0;
	r = confine_find_user(id->name, &id->uid, &id->gid, err);
	if (r < 0)
		return r;
	r = confine_find_user(param.mail_owner, &mail_uid, &mail_gid, err);
	if (r < 0)
		return r;
	/* The folder of the private sockets is open to this group. */
	if (mail_gid != id->gid)
		id->groups[id->group_count++] = mail_gid;
	if (user == DAEMON_CONNECT)
		return identity_take_groups(id, err);
	shadow = user == DAEMON_AUTH ? getgrnam("shadow") : NULL;
	if (shadow != NULL)
		id->groups[id->group_count++] = shadow->gr_gid;
	return 0;
}

/* Drops for good, and does not believe it before it has seen it. */
static int drop_to(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count, struct error *err)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (uid == 0 || gid == 0)
		return error_set(err, -EPERM, "refusing to run as root");
	if (setgroups(group_count, groups) < 0)
		return error_errno(err, "set groups");
	if (setresgid(gid, gid, gid) < 0)
		return error_errno(err, "become group %u", gid);
	if (setresuid(uid, uid, uid) < 0)
		return error_errno(err, "become user %u", uid);
	if (getresuid(&ruid, &euid, &suid) < 0 || ruid != uid || euid != uid || suid != uid ||
	    getresgid(&rgid, &egid, &sgid) < 0 || rgid != gid || egid != gid || sgid != gid)
		return error_set(err, -EPERM, "the change to user %u did not take place", uid);
	if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
		return error_set(err, -EPERM, "there is a way back to root");
	return 0;
}

/*
 * What is looked at is what is entered: a user could put something else in the place of a folder of
 * his between two looks at its name. `owner` 0: whose it is does not matter.
 */
static int change_root(const char *path, uid_t owner, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "open %s", path);
	if (owner != 0 && st.st_uid != owner)
		return error_set(err, -EPERM, "%s belongs to uid %u", path, (unsigned)st.st_uid);
	if (fchdir(fd) < 0 || chroot(".") < 0)
		return error_errno(err, "chroot to %s", path);
	return 0;
}

int daemon_become(uid_t uid, gid_t gid, const char *name, const char *chroot_to, struct error *err)
{
	int r = 0;

	if (uid == 0 || (gid == 0 && daemon_running_as_root()))
		return error_set(err, -EPERM, "refusing to act as root for %s", name);
	if (!daemon_running_as_root()) {
		/* The groups stay as they are too, whatever the user's line says. */
		if (uid != geteuid())
			return error_set(err, -EPERM, "cannot become %s: not running as root",
					 name);
		if (chroot_to != NULL && chdir(chroot_to) < 0)
			return error_errno(err, "enter %s", chroot_to);
		return 0;
	}
	if (chroot_to != NULL)
		r = change_root(chroot_to, uid, err);
	if (r == 0)
		r = drop_to(uid, gid, &gid, 1, err);
	if (r < 0)
		error_prefix(err, "become %s", name);
	return r;
}

/* ---- limits and capabilities ---- */

static int set_limits(struct error *err)
{
	struct rlimit files, none = { 0, 0 };

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return error_errno(err, "getrlimit");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return error_errno(err, "raise the limit of open files");
	/* A core file would hold passwords and mail. */
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return error_errno(err, "forbid core files");
	return 0;
}

#define CAPABILITY(c) (UINT32_C(1) << (c))
/* What it takes to become a user, and to end what one has begun. */
#define CAPABILITIES_TO_BECOME                                                                     \
	(CAPABILITY(CAP_SETUID) | CAPABILITY(CAP_SETGID) | CAPABILITY(CAP_SYS_CHROOT) |            \
	 CAPABILITY(CAP_DAC_READ_SEARCH) | CAPABILITY(CAP_KILL))
/* And to make files for users in folders of others. */
#define CAPABILITIES_TO_DELIVER                                                                    \
	(CAPABILITIES_TO_BECOME | CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_FOWNER) |                 \
	 CAPABILITY(CAP_DAC_OVERRIDE))

/* What remains of root: `mask` here, CAPABILITIES_TO_DELIVER for set-uid programs of users' commands. */
static int keep_capabilities(uint32_t mask, struct error *err)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 }, now[2] = { 0 };

	if (syscall(SYS_capget, &head, now) < 0)
		return error_errno(err, "read capabilities");
	for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if (c >= 32 || !(CAPABILITIES_TO_DELIVER & CAPABILITY(c)))
			(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	sets[0].effective = sets[0].permitted = mask & now[0].permitted;
	if (syscall(SYS_capset, &head, sets) < 0)
		return error_errno(err, "drop capabilities");
	return 0;
}

/* ---- a whole program ---- */

static int enter_root(const struct program *program, struct str *text, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	if (program->root == DAEMON_ROOT_NONE) {
		if (chdir("/") < 0)
			return error_errno(err, "enter /");
		ipc_set_root(param.queue_directory);
		str_append_cstr(text, " root=/");
		return 0;
	}
	str_printf(&path, "%s%s", param.queue_directory,
		   program->root == DAEMON_ROOT_EMPTY ? "/sockets" : "");
	if (!daemon_running_as_root()) {
		if (chdir(path.data) < 0)
			return error_errno(err, "enter %s", path.data);
		ipc_set_root(param.queue_directory);
		str_append_cstr(text, " root=/");
		return 0;
	}
	ipc_set_root("");
	str_printf(text, " root=%s", path.data);
	return change_root(path.data, 0, err);
}

static int switch_user(const struct program *program, const struct identity *id, struct str *text,
		       struct error *err)
{
	if (!daemon_running_as_root()) {
		str_printf(text, " uid=%u,as-all-programs", geteuid());
		return 0;
	}
	if (program->user == DAEMON_PRIVILEGED) {
		str_append_cstr(text, " user=root");
		return keep_capabilities(CAPABILITIES_TO_DELIVER, err);
	}
	str_printf(text, " user=%s", id->name);
	return drop_to(id->uid, id->gid, id->groups, id->group_count, err);
}

/*
 * Landlock says the same as chroot and seccomp once more, and all of it where there is no chroot:
 * nothing to open for those that open nothing, the queue for those that own it, nothing to write
 * for those that only read. The privileged partners deliver anywhere: they limit their children.
 */
static int limit_program_files(const struct program *program, struct str *text, struct error *err)
{
	const char *everything[] = { "/", NULL }, *here[] = { ".", NULL }, *nothing[] = { NULL };
	bool reads = program->calls & CALLS_FILES_READ, writes = program->calls & CALLS_FILES_WRITE;
	int r;

	if (program->calls & (CALLS_BECOME | CALLS_EXEC) ||
	    (writes && program->root != DAEMON_ROOT_QUEUE))
		return 0;
	if (!reads && !writes)
		r = daemon_limit_files(nothing, false, err);
	else if (program->root == DAEMON_ROOT_QUEUE)
		r = daemon_limit_files(here, writes, err);
	else
		r = daemon_limit_files(everything, false, err);
	if (r > 0)
		str_append_cstr(text, "+files");
	return r < 0 ? r : 0;
}

/*
 * The network, the neighbours, and what no mail delivery has to do with. Not where modules of PAM
 * run programs and talk to whom they like.
 */
static int limit_program_reach(const struct program *program, struct str *text, struct error *err)
{
	unsigned limits = 0;
	int r = 0;

	if (!(program->calls & CALLS_EXEC))
		r = daemon_limit_reach(program->calls & CALLS_NETWORK, &limits, err);
	if (limits & LIMITS_PROGRAMS)
		str_append_cstr(text, "+programs");
	if (limits & LIMITS_NETWORK)
		str_append_cstr(text, "+network");
	if (limits & LIMITS_SCOPES)
		str_append_cstr(text, "+scopes");
	return r;
}

/* " landlock=files+network+scopes", as much of it as there is; " landlock=none". */
static int put_on_landlock(const struct program *program, struct str *text, struct error *err)
{
	_cleanup_(str_free) struct str parts = STR_EMPTY;
	int r = limit_program_files(program, &parts, err);

	if (r == 0)
		r = limit_program_reach(program, &parts, err);
	str_printf(text, " landlock=%s", parts.len > 0 ? str_cstr(&parts) + 1 : "none");
	return r;
}

static int put_on_seccomp(unsigned calls, bool new_privileges, struct str *text, struct error *err)
{
	int r;

	if (!new_privileges) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			return error_errno(err, "set no-new-privileges");
		str_append_cstr(text, " no-new-privileges");
	}
#ifndef POSTA_SANITIZE
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, "be not dumpable");
#endif
	r = seccomp_put_on(calls, err);
	if (r < 0)
		return r;
	str_printf(text, " seccomp=%s%d", calls & CALLS_EXEC ? "all-but-" : "", r);
	return 0;
}

int daemon_confine(unsigned calls, struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	return put_on_seccomp(calls, false, &text, err);
}

int confine_program(const struct program *program, struct str *text, struct error *err)
{
	struct identity id = { 0 };
	int r = 0;

	if (daemon_running_as_root() && program->user != DAEMON_PRIVILEGED)
		r = identity_find(program->user, &id, err);
	if (r == 0)
		r = set_limits(err);
	if (r == 0)
		r = enter_root(program, text, err);
	if (r == 0)
		r = switch_user(program, &id, text, err);
	if (r == 0)
		r = put_on_landlock(program, text, err);
	if (r == 0)
		r = put_on_seccomp(program->calls, false, text, err);
	return r;
}

int daemon_confine_launcher(struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	bool as_root = daemon_running_as_root();
	int r = set_limits(err);

	if (r == 0 && chdir("/") < 0)
		r = error_errno(err, "enter /");
	/* Without no-new-privileges only root may put a filter on: before it drops that. */
	if (r == 0)
		r = put_on_seccomp(CALLS_EXEC, as_root, &text, err);
	if (r == 0 && as_root)
		r = keep_capabilities(CAPABILITIES_TO_BECOME, err);
	return r;
}
