/* What the files of the stream share; nobody else includes it. */
#ifndef TASK_STREAM_INTERNAL_H
#define TASK_STREAM_INTERNAL_H

#include <sys/types.h>

#include "task/internal.h"
#include "task/stream.h"

struct tls_session;

struct stream {
	int fd;
	int read_failed, write_failed; /* the errno that ended this direction, or 0 */
	char *in; /* input from in + in_start, in_len bytes; NULL when there is none */
	size_t in_start, in_len, in_size;
	char *out; /* output not yet sent, at most STREAM_BUFFER_SIZE; NULL when there is none */
	size_t out_len;
	msec_t timeout, deadline;
	bool had_cr;
	bool skips_line;     /* the rest of a line that was too long is to come */
	size_t skipped;	     /* bytes of it thrown away so far */
	bool sending;	     /* a task is in stream_send */
	bool not_a_socket;   /* send() does not work: a pipe */
	bool finishes_first; /* stream_finish_first */
	struct tls_session *tls;
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

/*
 * ---- tls.c ----
 *
 * One read or write on a TLS stream: bytes, 0 at the end of the input, -EAGAIN with *direction set
 * to what is to be waited for, -EPROTO with the stream's error set, or another errno.
 */
ssize_t tls_read(struct stream *io, char *data, size_t len, enum direction *direction);
ssize_t tls_write(struct stream *io, const char *data, size_t len, enum direction *direction);
/* Tells the peer that this is the end, if that can be done without waiting. */
void tls_say_goodbye(struct stream *io);
void tls_session_free(struct tls_session *session);

#endif
