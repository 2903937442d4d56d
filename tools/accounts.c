/*
 * The system users that the suite's programs run as: looked up, and added where they are missing.
 * Which there are stands in lib/daemon/programs.def.
 */
#include "tools/accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "daemon/programs.h"

static int account_add(const char *name, struct error *err)
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

static int account_find(const char *name, struct account *account, struct error *err)
{
	const struct passwd *entry = getpwnam(name);
	int r;

	if (entry == NULL) {
		r = account_add(name, err);
		if (r < 0)
			return r;
		entry = getpwnam(name);
	}
	if (entry == NULL)
		return error_set(err, -EINVAL, "there is still no system user %s", name);
	if (entry->pw_uid == 0)
		return error_set(err, -EINVAL, "the system user %s has the rights of root", name);
	account->uid = entry->pw_uid;
	account->gid = entry->pw_gid;
	return 0;
}

/*
 * Two instances that are made at one time would add the same user, and useradd leaves half of one
 * behind when it meets another. A folder can be locked without making a file.
 */
static int accounts_lock(struct error *err)
{
	int fd = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, "open /etc");
	while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
		;
	return fd;
}

int accounts_make(struct accounts *accounts, struct error *err)
{
	_cleanup_fd_ int lock = accounts_lock(err);
	int r = lock < 0 ? lock : 0;

	for (enum daemon_user user = 0; user < DAEMON_USERS && r == 0; user++)
		r = account_find(program_user_default(user), &accounts->of_programs[user], err);
	return r < 0 ? r : account_find(ACCOUNT_VMAIL, &accounts->vmail, err);
}

int accounts_add_missing(struct error *err)
{
	_cleanup_fd_ int lock = accounts_lock(err);
	struct account unused;
	int r = lock < 0 ? lock : 0;

	for (enum daemon_user user = 0; user < DAEMON_USERS && r == 0; user++)
		if (strcmp(program_user_name(user), program_user_default(user)) == 0)
			r = account_find(program_user_name(user), &unused, err);
	return r;
}
