#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "tools/init.h"

/* As lib/conf names them by default. */
static const char *const accounts[] = { "posta", "postanet", "postaauth", "vmail" };
enum { ACCOUNT_MAIL, ACCOUNT_NET, ACCOUNT_AUTH, ACCOUNT_VMAIL };

static int add_account(const char *name, struct error *err)
{
	const char *const command[] = { "/usr/sbin/useradd",
					"--system",
					"--user-group",
					"--no-create-home",
					"--home-dir",
					"/nonexistent",
					"--shell",
					"/usr/sbin/nologin",
					name,
					NULL };
	char *environment[] = { NULL };
	pid_t pid;
	int status = 0;
	int r = posix_spawn(&pid, command[0], NULL, NULL, (char **)(uintptr_t)command, environment);

	if (r != 0)
		return error_set(err, -r, "run %s: %s", command[0], strerror(r));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		return error_set(err, -EINVAL, "useradd could not add the system user %s", name);
	printf("added the system user %s\n", name);
	return 0;
}

static int find_account(const char *name, uid_t *uid, gid_t *gid, struct error *err)
{
	const struct passwd *entry = getpwnam(name);
	int r;

	if (entry == NULL) {
		r = add_account(name, err);
		if (r < 0)
			return r;
		entry = getpwnam(name);
	}
	if (entry == NULL)
		return error_set(err, -EINVAL, "there is still no system user %s", name);
	if (entry->pw_uid == 0)
		return error_set(err, -EINVAL, "the system user %s has the rights of root", name);
	*uid = entry->pw_uid;
	*gid = entry->pw_gid;
	return 0;
}

/*
 * Two instances that are made at one time would add the same user, and useradd leaves half of one
 * after when it meets another. A folder can be locked without making a file.
 */
static int lock_accounts(struct error *err)
{
	int fd = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, "open /etc");
	while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
		;
	return fd;
}

int init_accounts(struct init *init, struct error *err)
{
	uid_t uid;
	gid_t gid;
	int r;

	if (!init->as_root) {
		init->mail_uid = init->vmail_uid = geteuid();
		init->mail_gid = init->vmail_gid = init->auth_gid = getegid();
		return 0;
	}

	_cleanup_fd_ int lock = lock_accounts(err);

	if (lock < 0)
		return lock;
	r = find_account(accounts[ACCOUNT_MAIL], &init->mail_uid, &init->mail_gid, err);
	if (r == 0)
		r = find_account(accounts[ACCOUNT_NET], &uid, &gid, err);
	if (r == 0)
		r = find_account(accounts[ACCOUNT_AUTH], &uid, &init->auth_gid, err);
	if (r == 0)
		r = find_account(accounts[ACCOUNT_VMAIL], &init->vmail_uid, &init->vmail_gid, err);
	return r;
}

/* ---- folders ---- */

/* In a child: access lists and whatever else decides, decide there. */
static bool can_reach(uid_t uid, gid_t gid, const char *path)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(setgroups(0, NULL) < 0 || setgid(gid) < 0 || setuid(uid) < 0 ||
		      access(path, X_OK) < 0);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int init_check_way(const struct init *init, struct error *err)
{
	if (!init->as_root || can_reach(init->vmail_uid, init->vmail_gid, init->directory))
		return 0;
	return error_set(err, -EACCES,
			 "%s cannot be reached by the user %s, whose mail is to be there: a folder "
			 "above it is closed to others. Another folder, please, like /srv/mail",
			 init->directory, accounts[ACCOUNT_VMAIL]);
}

static int make(const struct init *init, const char *name, mode_t mode, uid_t uid, gid_t gid,
		struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/%s", init->directory, name);
	if (mkdir(path.data, mode) < 0) {
		if (errno == EEXIST)
			return error_set(err, -EEXIST, "%s is there already", path.data);
		return error_errno(err, "create folder %s", path.data);
	}
	if (chmod(path.data, mode) < 0 || (init->as_root && chown(path.data, uid, gid) < 0))
		return error_errno(err, "give folder %s its owner and mode", path.data);
	return 0;
}

int init_folders(const struct init *init, struct error *err)
{
	uid_t me = geteuid();
	gid_t mine = getegid();
	int r = make(init, "conf", 0755, me, mine, err);

	if (r == 0)
		r = make(init, "conf/tls", 0755, me, mine, err);
	if (r == 0)
		r = make(init, "conf/dkim", 0750, me, mine, err);
	if (r == 0)
		r = make(init, "queue", 0755, me, mine, err);
	if (r == 0)
		r = make(init, "data", 0700, init->mail_uid, init->mail_gid, err);
	/* Users whose lines name another uid pass through here too. */
	if (r == 0)
		r = make(init, "mail", 0711, init->vmail_uid, init->vmail_gid, err);
	return r < 0 ? r : make(init, "log", 0755, me, mine, err);
}

int init_write(const struct init *init, const char *name, struct view content, mode_t mode,
	       struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/%s", init->directory, name);

	_cleanup_fd_ int fd = open(path.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		return error_errno(err, "create %s", path.data);
	if (io_write_all(fd, content.data, content.len) < 0 || fchmod(fd, mode) < 0)
		return error_errno(err, "write %s", path.data);
	return 0;
}
