/*
 * The folders of the queue directory: which one a message is in, their descriptors, free space and
 * syncs. The ground floor of the room: it uses nothing but queue IDs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "queue/format.h"

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

int queue_open_folder(const struct queue *queue, int number)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "incoming/%02d", number);
	fd = openat(queue->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int queue_keep_fd(int *slot, int fd)
{
	int kept = -1;

	if (__atomic_compare_exchange_n(slot, &kept, fd, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
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
	fd = queue_open_folder(queue, queue_folder_of(id));
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

int queue_sync(int fd, bool data)
{
#ifdef POSTA_TEST_NO_FSYNC
	/* Only for the test that must find out that mail is lost without it. */
	(void)fd;
	(void)data;
	return 0;
#else
	return (data ? fdatasync(fd) : fsync(fd)) < 0 ? -errno : 0;
#endif
}
