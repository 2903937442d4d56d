/* posta init: the accounts and folders of a new instance, and their owners. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "tools/accounts.h"
#include "tools/init.h"

int init_accounts(struct init *init, struct error *err)
{
	struct accounts accounts;
	int r;

	if (!init->as_root) {
		init->mail_uid = init->vmail_uid = geteuid();
		init->mail_gid = init->vmail_gid = init->auth_gid = getegid();
		return 0;
	}
	r = accounts_make(&accounts, err);
	if (r < 0)
		return r;
	init->mail_uid = accounts.of_programs[DAEMON_MAIL].uid;
	init->mail_gid = accounts.of_programs[DAEMON_MAIL].gid;
	init->auth_gid = accounts.of_programs[DAEMON_AUTH].gid;
	init->vmail_uid = accounts.vmail.uid;
	init->vmail_gid = accounts.vmail.gid;
	return 0;
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
			 init->directory, ACCOUNT_VMAIL);
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
	/* Whoever may write beside it could put something else in its place. */
	_cleanup_fd_ int fd = open(path.data, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fchmod(fd, mode) < 0 || (init->as_root && fchown(fd, uid, gid) < 0))
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
