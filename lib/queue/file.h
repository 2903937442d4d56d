/* The open queue file, between file.c, recipients.c and verify.c. Private to lib/queue. */
#ifndef QUEUE_FILE_H
#define QUEUE_FILE_H

#include "queue/format.h"

#define QUEUE_WINDOW_SIZE ((size_t)16 * 1024)

struct queue_file {
	struct queue *queue; /* NULL: handed over, read only */
	char id[QUEUE_ID_LENGTH_MAX];
	int fd, write_fd; /* write_fd: -1 until something is recorded */
	bool locked;
	uint64_t size;
	struct queue_head head;
	char *envelope_bytes;
	struct queue_envelope envelope;
	char *window; /* the part of the file read last, or NULL */
	uint64_t window_offset;
	size_t window_size;
	uint64_t last_reason; /* what was appended last, to be shared; 0: nothing */
	struct str last_reason_bytes;
};

/* Shows `len` bytes (at most QUEUE_WINDOW_SIZE) at `offset`; -ENODATA where the file is shorter. */
int queue_file_window(struct queue_file *file, uint64_t offset, size_t len, const char **bytes);
uint64_t queue_file_mark_end(const struct queue_file *file);

#endif
