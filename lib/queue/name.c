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
#include "queue/journal.h"

/*
 * By the second in which it was made: what is committed together then mostly shares a folder, and
 * so the fsync of that folder.
 */
int queue_folder_of(struct view id)
{
	return (int)(queue_id_time(id) / 1000000 % QUEUE_HASH_FOLDERS);
}

void queue_path(struct str *out, struct view id)
{
	str_printf(out, "incoming/%02d/%.*s", queue_folder_of(id), VIEW_ARG(id));
}

int queue_make_folders(const char *queue_directory, struct error *err)
{
	static const char *const folders[] = { "corrupt", "journal", "incoming" };
	_cleanup_(str_free) struct str path = STR_EMPTY, incoming = STR_EMPTY;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(folders) && r == 0; i++) {
		str_clear(&path);
		str_printf(&path, "%s/%s", queue_directory, folders[i]);
		r = io_make_directories(str_cstr(&path), 0700, err);
	}
	str_printf(&incoming, "%s/incoming", queue_directory);
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
	for (int i = 0; i < QUEUE_SEGMENTS_MAX; i++)
		queue->segments[i] = -1;
	return queue;
}

void queue_close(struct queue *queue)
{
	if (queue == NULL)
		return;
	for (int i = 0; i < QUEUE_HASH_FOLDERS; i++)
		mem_closep(&queue->folders[i]);
	for (int i = 0; i < QUEUE_SEGMENTS_MAX; i++)
		mem_closep(&queue->segments[i]);
	journal_close(queue->journal);
	close(queue->fd);
	free(queue);
}

static int open_folder(const struct queue *queue, int number)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "incoming/%02d", number);
	fd = openat(queue->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int queue_keep_fd(int *place, int fd)
{
	int kept = -1;

	if (__atomic_compare_exchange_n(place, &kept, fd, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return fd;
	close(fd);
	return kept;
}

int queue_folder_fd(struct queue *queue, struct view id)
{
	if (!queue_id_is_valid(id))
		return -EINVAL;
	int *kept = &queue->folders[queue_folder_of(id)];
	int fd = __atomic_load_n(kept, __ATOMIC_ACQUIRE);

	if (fd >= 0)
		return fd;
	fd = open_folder(queue, queue_folder_of(id));
	return fd < 0 ? fd : queue_keep_fd(kept, fd);
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

static int scan_folder(struct queue *queue, int number, struct queue_scan *scan)
{
	static const struct queue_place own_file;
	/* A descriptor of its own: the position in the folder is part of it. */
	int fd = open_folder(queue, number);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	int r = 0;

	if (dir == NULL) {
		r = fd < 0 ? fd : -errno;
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
			r = scan->each(scan->argument, entry->d_name, &own_file);
	}
	closedir(dir);
	return r;
}

int queue_scan(struct queue *queue, struct queue_scan *scan)
{
	int result;

	scan->busy = scan->segments = scan->writers = 0;
	result = journal_scan(queue, scan);
	for (int i = 0; result <= 0 && !scan->only_journal && i < QUEUE_HASH_FOLDERS; i++) {
		int r = scan_folder(queue, i, scan);

		if (r > 0 || result == 0)
			result = r;
	}
	return result;
}

/* The id as a file name in its folder. Returns the folder or a negative errno. */
static int locate(struct queue *queue, struct view id, char name[static QUEUE_ID_LENGTH_MAX])
{
	int folder = queue_folder_fd(queue, id);

	if (folder >= 0)
		queue_id_copy(name, id);
	return folder;
}

int queue_remove(struct queue *queue, struct view id, const struct queue_place *place)
{
	char name[QUEUE_ID_LENGTH_MAX];

	if (place != NULL && place->segment != 0)
		return queue_mark(queue, place, QUEUE_RECORD_DONE);
	int folder = locate(queue, id, name);

	if (folder < 0)
		return folder;
	return unlinkat(folder, name, 0) < 0 ? -errno : 0;
}

/* What the segment holds is copied, as it is. */
static int set_aside_record(struct queue *queue, const char *to, const struct queue_place *place)
{
	_cleanup_free_ char *bytes = mem_resize(NULL, MIN(place->size, QUEUE_IMAGE_MAX), 1);
	size_t size = MIN(place->size, QUEUE_IMAGE_MAX);
	int segment = segment_fd(queue, place->segment);
	int r = segment < 0 ? segment
			    : io_pread_all(segment, bytes, size,
					   (off_t)place->offset + RECORD_HEAD_SIZE);

	if (r < 0)
		return r;
	_cleanup_fd_ int fd =
		openat(queue->fd, to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	r = io_write_all(fd, bytes, size);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r == 0 ? queue_mark(queue, place, QUEUE_RECORD_DONE) : r;
}

int queue_set_aside(struct queue *queue, struct view id, const struct queue_place *place)
{
	char name[QUEUE_ID_LENGTH_MAX], to[sizeof("corrupt/") + QUEUE_ID_LENGTH_MAX];
	int folder = locate(queue, id, name);

	if (folder < 0)
		return folder;
	snprintf(to, sizeof(to), "corrupt/%s", name);
	if (place != NULL && place->segment != 0)
		return set_aside_record(queue, to, place);
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
