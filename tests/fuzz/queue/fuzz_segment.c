/*
 * A segment of the journal as a disk may give it back: walked, and every message that it seems to
 * hold opened, verified, read, copied and marked.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "queue/queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/posta-fuzz-segment-XXXXXX";
static char path[sizeof(directory) + 16];

static void clean_up(void)
{
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	rmdir(directory);
}

static void set_up(void)
{
	if (path[0] != '\0')
		return;
	if (mkdtemp(directory) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/journal", directory);
	if (mkdir(path, 0700) < 0)
		abort();
	snprintf(path, sizeof(path), "%s/journal/001", directory);
	atexit(clean_up);
}

static int open_message(void *argument, const char *id, const struct queue_place *place)
{
	struct queue *queue = argument;
	struct queue_file *file;
	struct queue_cursor cursor = { 0 };
	struct queue_recipient recipient;
	struct queue_reason reason;
	struct error err;

	if (!queue_id_is_valid(view_of(id)) || place->segment != 1)
		abort();
	/* As qmgr does with what is not whole. */
	if (queue_file_open(queue, view_of(id), place, 0, &file, &err) < 0)
		return queue_mark(queue, place, QUEUE_RECORD_DONE) < 0 ? 1 : 0;
	queue_file_verify(file);
	while (queue_file_next_recipient(file, &cursor, &recipient) > 0) {
		queue_file_reason(file, recipient.reason, &reason);
		queue_file_set_result(file, recipient.position, OUTCOME_DELIVERED, true, 1, 0);
	}
	queue_file_set_state(file, QUEUE_FLAG_HOLD, 1);
	if (queue_file_fd(file) >= 0 && lseek(queue_file_fd(file), 0, SEEK_END) != place->size)
		abort();
	queue_file_close(file);
	return queue_mark(queue, place, QUEUE_RECORD_DONE) < 0 ? 1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err;
	struct queue *queue;
	int fd;

	set_up();
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	queue = queue_open(directory, &err);
	if (fd < 0 || queue == NULL || io_write_all(fd, data, size) < 0)
		abort();
	struct queue_scan scan = {
		.each = open_message, .argument = queue, .only_journal = true, .busy_too = true
	};

	/* The second time nothing is left: what was done is done, and then the segment is free. */
	queue_scan(queue, &scan);
	queue_scan(queue, &scan);
	if (queue_scan(queue, &scan) == 0 && scan.segments > 0 && size > 0)
		abort();
	queue_close(queue);
	close(fd);
	return 0;
}
