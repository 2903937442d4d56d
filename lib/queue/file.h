/*
 * The open queue file, between window.c (the ground), recipients.c, verify.c, file.c and settle.c.
 * Private to lib/queue.
 */
#ifndef QUEUE_FILE_H
#define QUEUE_FILE_H

#include "queue/format.h"

#define QUEUE_WINDOW_SIZE ((size_t)16 * 1024)

struct queue_file {
	struct queue *queue; /* NULL: handed over, read only */
	char id[QUEUE_ID_LENGTH_MAX];
	struct queue_place place; /* in the journal, or segment 0 */
	int fd, write_fd;	  /* own file; write_fd: -1 until something is recorded */
	int copy_fd;		  /* of what is in the journal, to be handed over; or -1 */
	bool locked;
	uint64_t size;
	struct queue_head head;
	char *envelope_bytes;
	struct queue_envelope envelope;
	char *window;		/* the part of the file read last, or NULL */
	size_t window_capacity; /* bytes that there is room for in it */
	uint64_t window_offset;
	size_t window_size;
	uint64_t last_reason; /* what was appended last, to be shared; 0: nothing */
	struct str last_reason_bytes;
};

/* With room for at least `size` bytes. What it held is gone if it is made anew. */
void queue_file_make_window(struct queue_file *file, size_t size);
/* Shows `len` bytes (at most QUEUE_WINDOW_SIZE) at `offset`; -ENODATA where the file is shorter. */
int queue_file_window(struct queue_file *file, uint64_t offset, size_t len, const char **bytes);
/* Exactly len bytes; -ENODATA where there are fewer. */
int queue_file_read(const struct queue_file *file, void *data, size_t len, uint64_t offset);
/* Writes over what is there (or after it, in a file of its own). */
int queue_file_write(struct queue_file *file, const void *bytes, size_t len, uint64_t offset);
uint64_t queue_file_mark_end(const struct queue_file *file);

#endif
