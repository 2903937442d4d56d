/* Names, folders and the queue directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/random.h"
#include "queue/format.h"

/* No vowels, so that no words come out. 'z' ends the time and is not used behind it. */
static const char digits[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
#define BASE	      52
#define SECOND_DIGITS 6
#define MICRO_DIGITS  4
#define RANDOM_DIGITS 8 /* 45 bits within a microsecond */
#define ID_MIN	      (SECOND_DIGITS + MICRO_DIGITS + 2)

struct queue {
	int fd;
	int folders[QUEUE_HASH_FOLDERS]; /* -1: not opened yet */
};

static char *put_digits(char *at, uint64_t value, int count, unsigned base)
{
	for (int i = count - 1; i >= 0; i--) {
		at[i] = digits[value % base];
		value /= base;
	}
	return at + count;
}

void queue_id_new(char id[static QUEUE_ID_LENGTH_MAX])
{
	uint64_t now = (uint64_t)clock_wall_usec();
	char *at = put_digits(id, now / 1000000, SECOND_DIGITS, BASE);

	at = put_digits(at, now % 1000000, MICRO_DIGITS, BASE);
	*at++ = 'z';
	at = put_digits(at, random_u64(), RANDOM_DIGITS, BASE - 1);
	*at = '\0';
}

bool queue_id_is_valid(struct view id)
{
	if (id.len < ID_MIN || id.len >= QUEUE_ID_LENGTH_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (id.data[i] == '\0' || strchr(digits, id.data[i]) == NULL)
			return false;
	return true;
}

/*
 * By the second in which it was made: what is committed together then mostly shares a folder, and
 * so the fsync of that folder.
 */
int queue_folder_of(struct view id)
{
	uint64_t seconds = 0;

	for (size_t i = 0; i < SECOND_DIGITS; i++)
		seconds = seconds * BASE + (uint64_t)(strchr(digits, id.data[i]) - digits);
	return (int)(seconds % QUEUE_HASH_FOLDERS);
}

void queue_path(struct str *out, struct view id)
{
	str_printf(out, "incoming/%02d/%.*s", queue_folder_of(id), VIEW_ARG(id));
}

int queue_make_folders(const char *queue_directory, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, incoming = STR_EMPTY;
	int r;

	str_printf(&path, "%s/corrupt", queue_directory);
	str_printf(&incoming, "%s/incoming", queue_directory);
	r = io_make_directories(str_cstr(&path), 0700, err);
	if (r == 0)
		r = io_make_directories(str_cstr(&incoming), 0700, err);
	for (int i = 0; i < QUEUE_HASH_FOLDERS && r == 0; i++) {
		str_clear(&path);
		str_printf(&path, "%s/%02d", str_cstr(&incoming), i);
		if (mkdir(str_cstr(&path), 0700) < 0 && errno != EEXIST)
			return error_errno(err, "create folder %s", str_cstr(&path));
	}
	/* All at once: a message is no safer than the name of the folder that it is in. */
	if (r == 0 && io_sync_directory(str_cstr(&incoming)) < 0)
		return error_errno(err, "fsync folder %s", str_cstr(&incoming));
	return r;
}

struct queue *queue_open(const char *queue_directory, struct error *err)
{
	int fd = open(queue_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		error_errno(err, "open %s", queue_directory);
		return NULL;
	}
	struct queue *queue = mem_new(struct queue);

	queue->fd = fd;
	for (int i = 0; i < QUEUE_HASH_FOLDERS; i++)
		queue->folders[i] = -1;
	return queue;
}

void queue_close(struct queue *queue)
{
	if (queue == NULL)
		return;
	for (int i = 0; i < QUEUE_HASH_FOLDERS; i++)
		mem_closep(&queue->folders[i]);
	close(queue->fd);
	free(queue);
}

static int open_folder(struct queue *queue, int number)
{
	if (queue->folders[number] < 0) {
		_cleanup_(str_free) struct str path = STR_EMPTY;

		str_printf(&path, "incoming/%02d", number);
		queue->folders[number] = openat(queue->fd, str_cstr(&path),
						O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (queue->folders[number] < 0)
			return -errno;
	}
	return queue->folders[number];
}

int queue_folder_fd(struct queue *queue, struct view id)
{
	if (!queue_id_is_valid(id))
		return -EINVAL;
	return open_folder(queue, queue_folder_of(id));
}

int queue_free_space(const struct queue *queue, uint64_t *bytes)
{
	struct statvfs fs;

	if (fstatvfs(queue->fd, &fs) < 0)
		return -errno;
	/* File systems without a fixed number of inodes say 0 of 0. */
	bool inodes = fs.f_files == 0 || fs.f_favail > 0;

	*bytes = inodes ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
	return 0;
}

static int scan_folder(int folder, int (*each)(void *, const char *), void *argument)
{
	/* A descriptor of its own: the position in the folder is part of it. */
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	int r = 0;

	if (dir == NULL) {
		r = -errno;
		mem_closep(&fd);
		return r;
	}
	while (r == 0) {
		errno = 0;
		const struct dirent *entry = readdir(dir);

		if (entry == NULL) {
			r = -errno;
			break;
		}
		if (queue_id_is_valid(view_of(entry->d_name)))
			r = each(argument, entry->d_name);
	}
	closedir(dir);
	return r;
}

int queue_scan(struct queue *queue, int (*each)(void *argument, const char *id), void *argument)
{
	for (int i = 0; i < QUEUE_HASH_FOLDERS; i++) {
		int folder = open_folder(queue, i);
		int r = folder < 0 ? folder : scan_folder(folder, each, argument);

		if (r != 0)
			return r;
	}
	return 0;
}

/* The id as a file name in its folder. Returns the folder or a negative errno. */
static int locate(struct queue *queue, struct view id, char name[static QUEUE_ID_LENGTH_MAX])
{
	int folder = queue_folder_fd(queue, id);

	if (folder >= 0)
		snprintf(name, QUEUE_ID_LENGTH_MAX, "%.*s", VIEW_ARG(id));
	return folder;
}

int queue_remove(struct queue *queue, struct view id)
{
	char name[QUEUE_ID_LENGTH_MAX];
	int folder = locate(queue, id, name);

	if (folder < 0)
		return folder;
	return unlinkat(folder, name, 0) < 0 ? -errno : 0;
}

int queue_set_aside(struct queue *queue, struct view id)
{
	char name[QUEUE_ID_LENGTH_MAX], to[sizeof("corrupt/") + QUEUE_ID_LENGTH_MAX];
	int folder = locate(queue, id, name);

	if (folder < 0)
		return folder;
	snprintf(to, sizeof(to), "corrupt/%s", name);
	return renameat(folder, name, queue->fd, to) < 0 ? -errno : 0;
}

int64_t queue_file_age(struct queue *queue, struct view id)
{
	char name[QUEUE_ID_LENGTH_MAX];
	int folder = locate(queue, id, name);
	struct stat st;

	if (folder < 0)
		return folder;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return MAX(clock_wall() - (int64_t)st.st_mtime, 0);
}
