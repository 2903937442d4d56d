/*
 * Reading parts of a queue file, wherever it lies. The ground floor of what works on an open file:
 * it knows neither how one is opened nor what the bytes mean.
 */
#include <errno.h>

#include "base/io.h"
#include "base/mem.h"
#include "queue/file.h"
#include "queue/journal.h"

bool queue_file_in_journal(const struct queue_file *file)
{
	return file->place.segment != 0;
}

int queue_file_read(const struct queue_file *file, void *data, size_t len, uint64_t offset)
{
	int fd = file->fd;

	if (queue_file_in_journal(file)) {
		if (offset > file->size || len > file->size - offset)
			return -ENODATA;
		offset += file->place.offset + RECORD_HEAD_SIZE;
		fd = segment_fd(file->queue, file->place.segment);
	}
	return fd < 0 ? fd : io_pread_all(fd, data, len, (off_t)offset);
}

void queue_file_make_window(struct queue_file *file, size_t size)
{
	if (file->window_capacity >= size)
		return;
	free(file->window);
	file->window = mem_resize(NULL, size, 1);
	file->window_capacity = size;
	file->window_size = 0;
}

int queue_file_window(struct queue_file *file, uint64_t offset, size_t len, const char **bytes)
{
	if (offset > file->size || len > file->size - offset)
		return -ENODATA;
	if (file->window == NULL || offset < file->window_offset ||
	    offset + len > file->window_offset + file->window_size) {
		size_t size = MAX(len, (size_t)MIN(QUEUE_WINDOW_SIZE, file->size - offset));

		queue_file_make_window(file, size);
		file->window_size = 0;
		int r = queue_file_read(file, file->window, size, offset);

		if (r < 0)
			return r;
		file->window_offset = offset;
		file->window_size = size;
	}
	*bytes = file->window + (offset - file->window_offset);
	return 0;
}

void queue_file_trim(struct queue_file *file)
{
	free(TAKE(file->window));
	file->window_capacity = file->window_size = 0;
}

uint64_t queue_file_mark_end(const struct queue_file *file)
{
	return file->head.content_offset + file->head.content_size + QUEUE_MARK_SIZE;
}
