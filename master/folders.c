/*
 * The folders and the pid file that must be there before anything starts. Owners and modes are
 * made right or the start fails.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "master.h"
#include "queue/maildrop.h"
#include "queue/queue.h"

#define STOP_PATIENCE 60000 /* what an orderly stop may take */
#define KILL_PATIENCE 500   /* what the end of one that was killed may take */
#define LOCK_PAUSE    20

static int lock_fd = -1;
static bool was_left; /* by a master that could not empty it */

/* Below the queue directory. Made, or made right, at each start. */
static int folder_make(const char *path, mode_t mode, uid_t uid, gid_t gid, struct error *err)
{
	_cleanup_(str_free) struct str whole = STR_EMPTY;

	str_printf(&whole, "%s/%s", param.queue_directory, path);
	if (mkdir(whole.data, mode) < 0 && errno != EEXIST)
		return error_errno(err, "create folder %s", whole.data);

	_cleanup_fd_ int fd = open(whole.data, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, "open folder %s", whole.data);
	if ((master_is_root() && fchown(fd, uid, gid) < 0) || fchmod(fd, mode) < 0)
		return error_errno(err, "give folder %s its owner and mode", whole.data);
	return 0;
}

/* The names by which people and Postfix's tools know the folders of sockets. */
static int make_link(const char *name, const char *target, struct error *err)
{
	_cleanup_(str_free) struct str whole = STR_EMPTY;
	char there[100];
	ssize_t n;

	str_printf(&whole, "%s/%s", param.queue_directory, name);
	n = readlink(whole.data, there, sizeof(there));
	if (n >= 0 && view_is(view_make(there, (size_t)n), target))
		return 0;
	if (n >= 0)
		unlink(whole.data);
	if (symlink(target, whole.data) < 0)
		return error_errno(err, "link %s to %s", whole.data, target);
	return 0;
}

/*
 * A folder of mail_owner's with the folders in it. It may hold what a mail_owner turned hostile put
 * there, so nothing is followed and only folders are touched.
 */
static int give_tree(const char *path, uid_t uid, gid_t gid, struct error *err)
{
	_cleanup_(str_free) struct str whole = STR_EMPTY;
	int r = folder_make(path, 0700, uid, gid, err);
	struct dirent *entry;
	DIR *folder;

	if (r < 0 || !master_is_root())
		return r;
	str_printf(&whole, "%s/%s", param.queue_directory, path);
	folder = opendir(whole.data);
	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		_cleanup_fd_ int fd = -1;

		if (entry->d_name[0] == '.')
			continue;
		fd = openat(dirfd(folder), entry->d_name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && fchown(fd, uid, gid) < 0)
			r = error_errno(err, "give folder %s/%s its owner", whole.data,
					entry->d_name);
	}
	if (folder != NULL)
		closedir(folder);
	return r;
}

static int give_queue(uid_t uid, gid_t gid, struct error *err)
{
	int r = queue_make_folders(param.queue_directory, err);

	if (r == 0)
		r = give_tree("incoming", uid, gid, err);
	if (r == 0)
		r = give_tree("journal", uid, gid, err);
	return r < 0 ? r : give_tree("corrupt", uid, gid, err);
}

int folders_make(struct error *err)
{
	uid_t uid = geteuid(), mail_uid = uid;
	gid_t gid = getegid(), mail_gid = gid;
	int r;

	if (master_is_root()) {
		const struct passwd *owner = getpwnam(param.mail_owner);

		if (owner == NULL)
			return error_set(err, -EINVAL,
					 "mail_owner: there is no user %s on this "
					 "system",
					 param.mail_owner);
		mail_uid = owner->pw_uid;
		mail_gid = owner->pw_gid;
	}
	r = io_make_directories(param.queue_directory, 0755, err);
	if (r == 0)
		r = folder_make(".", 0755, uid, gid, err);
	if (r == 0)
		r = folder_make("sockets", 0755, uid, gid, err);
	if (r == 0)
		r = folder_make("sockets/public", 0755, uid, gid, err);
	/* The users of all programs have this group beside their own. */
	if (r == 0)
		r = folder_make("sockets/private", 0750, uid, mail_gid, err);
	if (r == 0)
		r = make_link("public", "sockets/public", err);
	if (r == 0)
		r = make_link("private", "sockets/private", err);
	if (r == 0)
		r = folder_make("pid", 0755, uid, gid, err);
	if (r == 0)
		r = folder_make(MAILDROP_FOLDER, MAILDROP_MODE, mail_uid, mail_gid, err);
	return r < 0 ? r : give_queue(mail_uid, mail_gid, err);
}

/*
 * Takes the lock. One that has it and a number in the file runs; without a number it is about to
 * end, or to write its number.
 */
static int lock_file(int fd)
{
	struct stat st = { 0 };

	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOCK_PAUSE) {
		if (fstat(fd, &st) < 0 ||
		    waited >= (st.st_size > 0 ? KILL_PATIENCE : STOP_PATIENCE))
			return -EBUSY;
		usleep(LOCK_PAUSE * 1000);
	}
	return 0;
}

int pid_file_take(struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	char text[20];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	str_printf(&path, "%s/pid/master.pid", param.queue_directory);

	_cleanup_fd_ int fd = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return error_errno(err, "open %s", path.data);
	if (lock_file(fd) < 0)
		return error_set(err, -EBUSY, "already running: another master holds %s",
				 path.data);
	was_left = lseek(fd, 0, SEEK_END) > 0;
	if (ftruncate(fd, 0) < 0 || io_pwrite_all(fd, text, (size_t)n, 0) < 0)
		return error_errno(err, "write %s", path.data);
	lock_fd = TAKE_FD(fd);
	return 0;
}

bool pid_file_was_left(void)
{
	return was_left;
}

/* The file stays as the place of the lock: to remove it would let two hold it. */
void pid_file_empty(void)
{
	if (lock_fd >= 0 && ftruncate(lock_fd, 0) < 0)
		log_warning("empty the pid file: %m");
}
