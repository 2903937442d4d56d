/*
 * From the journal to a file of its own. Until that file is durable the journal has the message;
 * what a crash in between leaves is a second copy under the same id, and a scan shows both.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "queue/file.h"
#include "queue/journal.h"

struct settling {
	struct queue_file *file;
	int folder_fd, fd;
};

static int settle_copy(const struct queue_file *file, int to, uint64_t from, uint64_t end)
{
	size_t len = (size_t)(end - from);
	_cleanup_free_ char *bytes = mem_resize(NULL, len + 1, 1);
	int r = queue_file_read(file, bytes, len, from);

	return r < 0 ? r : io_pwrite_all(to, bytes, len, (off_t)from);
}

/* In a worker thread. */
static int write_file(void *argument, int *fd)
{
	struct settling *s = argument;
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	s->fd = openat(s->folder_fd, s->file->id, flags, 0600);
	if (s->fd < 0 && errno == EEXIST) {
		/* Left by one that came to its end here before. */
		unlinkat(s->folder_fd, s->file->id, 0);
		s->fd = openat(s->folder_fd, s->file->id, flags, 0600);
	}
	if (s->fd < 0 || flock(s->fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	*fd = s->fd;
	return settle_copy(s->file, s->fd, 0, s->file->size);
}

/* The new file takes the record's place. What was recorded since it was copied goes with it. */
static int move(struct settling *s)
{
	struct queue_file *file = s->file;
	uint64_t content = file->head.content_offset;
	int fd = openat(s->folder_fd, file->id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int r = fd < 0 ? -errno : settle_copy(file, s->fd, 0, content);

	if (r == 0)
		r = queue_mark(file->queue, &file->place, QUEUE_RECORD_DONE);
	if (r < 0) {
		mem_closep(&fd);
		return r;
	}
	file->place = QUEUE_OWN_FILE;
	mem_closep(&file->copy_fd); /* the file will say more */
	file->fd = fd;
	file->write_fd = TAKE_FD(s->fd); /* with the lock */
	return 0;
}

int queue_file_settle(struct queue_file *file, struct error *err)
{
	struct settling s = { .file = file,
			      .folder_fd = queue_folder_fd(file->queue, view_of(file->id)),
			      .fd = -1 };
	struct commit_job job = {
		.write = write_file, .argument = &s, .folder_fd = s.folder_fd, .id = file->id
	};
	int r = MIN(s.folder_fd, 0);

	if (!queue_file_in_journal(file))
		return 0;
	if (r == 0)
		r = queue_commit(file->queue, &job);
	if (r == 0)
		r = move(&s);
	if (r < 0 && s.fd >= 0) {
		unlinkat(s.folder_fd, file->id, 0);
		close(s.fd);
	}
	return r < 0 ? error_set(err, r, "give %s a file of its own: %s", file->id, strerror(-r))
		     : 0;
}
