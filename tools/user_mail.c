/* A mailbox user's mail: is it there, and its removal, which is done as the user. */
#include "tools/user_mail.h"

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPEN_FOLDERS 32

bool user_mail_is_there(const struct user *user)
{
	struct stat st;

	return lstat(user->mail, &st) == 0;
}

static int purge_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Links are removed, not followed; and what the user could not remove stays. */
static int purge_as_user(const struct user *user)
{
	int r;

	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(user->gid) < 0 ||
			       setuid(user->uid) < 0 || setuid(0) == 0))
		return EPERM;
	r = nftw(user->mail, purge_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	return r == 0 ? 0 : r < -1 ? -r : errno;
}

int user_mail_purge(const struct user *user)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(purge_as_user(user) & 0xff);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}
