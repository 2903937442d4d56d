/* What the files of the stream share, and a layer on it (lib/tls, imapd/deflate.c). Nobody else includes it. */
#ifndef TASK_STREAM_LAYER_H
#define TASK_STREAM_LAYER_H

#include <sys/types.h>

#include "task/internal.h"
#include "task/stream.h"

/*
 * What takes the place of read() and write() on the descriptor. `read` and `write`: bytes, 0 at the
 * end of the input, -EAGAIN with *direction set to what is to be waited for, -EPROTO with the
 * stream's error set, or another errno.
 */
struct stream_layer {
	ssize_t (*read)(struct stream *io, char *data, size_t len, enum direction *direction);
	ssize_t (*write)(struct stream *io, const char *data, size_t len,
			 enum direction *direction);
	/* Tells the peer that this is the end, if that can be done without waiting. */
	void (*say_goodbye)(struct stream *io);
	void (*free)(void *state);
};

struct stream {
	int fd;
	int read_failed, write_failed; /* the errno that ended this direction, or 0 */
	char *in; /* input from in + in_start, in_len bytes; NULL when there is none */
	size_t in_start, in_len, in_size;
	char *out; /* output not yet sent, at most STREAM_BUFFER_SIZE; NULL when there is none */
	size_t out_len, out_size;
	msec_t timeout, deadline;
	bool had_cr;
	bool wipes_input;		  /* nothing of what was read stays in memory */
	bool wipes_output;		  /* nor of what was written */
	bool skips_line;		  /* the rest of a line that was too long is to come */
	size_t skipped;			  /* bytes of it thrown away so far */
	bool sending;			  /* a task is in stream_send */
	bool not_a_socket;		  /* send() does not work: a pipe */
	bool not_tcp;			  /* there is nothing to acknowledge */
	bool unanswered;		  /* something came, and nothing was sent since */
	bool finishes_first;		  /* stream_finish_first */
	const struct stream_layer *layer; /* NULL: plain */
	void *layer_state;
	int (*before_sending)(void *argument); /* NULL: nothing is to be done */
	void *before_sending_argument;
	uint64_t bytes_in, bytes_out;
	struct error *error; /* allocated when there is one */
};

/* When a wait that begins now has to end. */
msec_t stream_wait_deadline(const struct stream *io);
/* Remembers the reason and that a direction is dead; returns `code`. */
int stream_fail_reading(struct stream *io, int code);
int stream_fail_writing(struct stream *io, int code);
void stream_set_error(struct stream *io, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Sends all of it, past the buffer. 0 or a negative errno. */
int stream_send(struct stream *io, const char *data, size_t len);

#endif
