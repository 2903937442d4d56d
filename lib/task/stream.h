/*
 * Byte streams between tasks and sockets, buffered both ways, each wait bounded. Plain, or with a
 * layer between (lib/tls).
 *
 * Functions return 0 or a count, or a negative errno:
 *	-ETIMEDOUT	the stream's timeout or deadline passed
 *	-ENODATA	the peer closed (for TLS: with or without close_notify)
 *	-EMSGSIZE	a line is longer than the caller allows
 *	-ESHUTDOWN	this program is to stop (task_shut_down)
 *	-EPROTO		TLS failed, or a line had no end at all; stream_error() has the reason
 *	others		from read or write, mostly -ECONNRESET and -EPIPE
 * After any of them but -EMSGSIZE and -ESHUTDOWN that direction of the stream is dead: each further
 * read (or write) fails likewise. The other direction may still work: a goodbye after a time-out,
 * answers to a peer that has sent its last command and shut down its side, the reply that a server
 * left before it closed. -EPROTO ends both.
 *
 * One task may read while another writes; not two in the same direction (-EBUSY).
 *
 * A stream that waits with nothing in its buffers holds no buffers, so idle connections cost little.
 * What has been written is sent before the stream waits for input, and at stream_flush().
 */
#ifndef TASK_STREAM_H
#define TASK_STREAM_H

#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

struct stream;

/* Takes the descriptor (made non-blocking) and closes it in the end. No timeout at first. */
struct stream *stream_new(int fd);
/* Closes without sending what is buffered. NULL is allowed. */
void stream_free(struct stream *io);
void stream_freep(struct stream **io);
/*
 * Sends what is buffered (and TLS close_notify), then frees. Input that came meanwhile is thrown
 * away: a descriptor that another process has got by now is to be detached.
 */
int stream_close(struct stream *io);
int stream_fd(const struct stream *io);
/*
 * Takes the descriptor out (the stream stays to be freed). Buffered input is the caller's to save
 * first (stream_buffered). Not for TLS: -EINVAL.
 */
int stream_detach(struct stream *io);

/* Longest silence in one wait, in milliseconds, MSEC_FOREVER for none. */
void stream_set_timeout(struct stream *io, msec_t timeout);
/* Absolute end of everything, whatever the timeout says (MSEC_FOREVER: none). */
void stream_set_deadline(struct stream *io, msec_t deadline);
/*
 * Reading goes on while the program shuts down, no -ESHUTDOWN: for answers of other programs, and
 * for what a session must bring to its end.
 */
void stream_finish_first(struct stream *io, bool finish_first);
/* Text of the last TLS or I/O failure, for the log. */
const char *stream_error(const struct stream *io);

/* ---- reading ---- */

/*
 * A line without its end (LF or CR LF), at most `max` bytes long. *line is valid until the next
 * read. -EMSGSIZE: the line is longer, *line is how it begins; the rest of it is then thrown away up to
 * its LF by the next call, so that the conversation can go on, unless that is more than STREAM_SKIP_MAX
 * bytes.
 */
#define STREAM_SKIP_MAX ((size_t)1 << 20)
int stream_read_line(struct stream *io, struct view *line, size_t max);
/* The last line read ended in CR LF (false: in a bare LF). */
bool stream_line_had_cr(const struct stream *io);
/*
 * Waits until at least one byte is there, then shows all that is buffered (at most
 * STREAM_BUFFER_SIZE); stream_consume takes bytes off the front.
 */
#define STREAM_BUFFER_SIZE 16384
int stream_peek(struct stream *io, struct view *bytes);
void stream_consume(struct stream *io, size_t len);
/* Exactly len bytes. */
int stream_read_exact(struct stream *io, void *data, size_t len);
/* What is buffered already: pipelined input, or what must not survive STARTTLS. */
struct view stream_buffered(const struct stream *io);
/* Nothing is buffered in either direction, nobody is sending, and both directions live. A layer may hold more. */
bool stream_is_settled(const struct stream *io);
void stream_discard_input(struct stream *io);
/* What is read may be a password: from now on the buffer is wiped whenever it is let go. */
void stream_wipe_input(struct stream *io);
/* Puts bytes in front of the input, as if they had just arrived. Ends the last line's validity. */
void stream_push_back(struct stream *io, struct view bytes);
/*
 * Waits for input without reading it (TLS: it is read into the buffer): 0 when there is some, or
 * the end of it. -ETIMEDOUT at this deadline leaves the stream as it was.
 */
int stream_wait(struct stream *io, msec_t deadline);

/* ---- writing ---- */

/*
 * What is written may be a password: from now on the buffer is wiped whenever it is let go. Before it
 * is written.
 */
void stream_wipe_output(struct stream *io);
int stream_write(struct stream *io, struct view bytes);
int stream_printf(struct stream *io, const char *format, ...) __attribute__((format(printf, 2, 3)));
int stream_flush(struct stream *io);
/*
 * Is called each time before something is sent, also because a buffer is full: for what must have happened before a
 * peer may hear of it. It may block, but not switch tasks or use the stream. Where it fails nothing is sent any more.
 * NULL: nothing is called.
 */
void stream_before_sending(struct stream *io, int (*hook)(void *argument), void *argument);
/*
 * Sends `len` bytes of a file from `offset`; sendfile() where the stream is plain. -EIO if the
 * file is shorter.
 */
int stream_write_file(struct stream *io, int fd, off_t offset, uint64_t len);
uint64_t stream_bytes_in(const struct stream *io);
uint64_t stream_bytes_out(const struct stream *io);

/* ---- connecting ---- */

/*
 * Connects a new non-blocking TCP (TCP_NODELAY) or UNIX socket, from `local` if it is not NULL.
 * Returns a descriptor or a negative errno.
 */
int stream_connect(const struct sockaddr *to, socklen_t to_len, const struct sockaddr *local,
		   socklen_t local_len, msec_t deadline);

#endif
