/*
 * The queue as a whole: opened, scanned, and what is done with a message that need not be read.
 * Folders and journal are below it, and do not know it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "queue/journal.h"

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

static int scan_folder(struct queue *queue, int number, struct queue_scan *scan)
{
	static const struct queue_place own_file;
	/* A descriptor of its own: the position in the folder is part of it. */
	int fd = queue_open_folder(queue, number);
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
