/*
 * The reading half of a buffered connection, with or without TLS. Every read has a bound and a
 * deadline.
 */
#include "task/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "task/stream_layer.h"

struct stream *stream_new(int fd)
{
	struct stream *io = mem_new(struct stream);
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	poll_forget_stale(fd);
	io->fd = fd;
	io->timeout = io->deadline = MSEC_FOREVER;
	return io;
}

void stream_wipe_input(struct stream *io)
{
	io->wipes_input = true;
}

void stream_wipe_output(struct stream *io)
{
	io->wipes_output = true;
}

static void release_input(struct stream *io)
{
	if (io->wipes_input && io->in != NULL)
		mem_wipe(io->in, io->in_size);
	if (io->in_size == MEM_BLOCK_SIZE)
		mem_block_give(io->in);
	else
		free(io->in);
	io->in = NULL;
	io->in_start = io->in_size = 0;
}

void stream_free(struct stream *io)
{
	if (io == NULL)
		return;
	if (io->layer != NULL)
		io->layer->free(io->layer_state);
	if (io->fd >= 0) {
		task_forget_fd(io->fd);
		close(io->fd);
	}
	release_input(io);
	if (io->wipes_output && io->out != NULL)
		mem_wipe(io->out, io->out_size);
	free(io->out);
	free(io->error);
	free(io);
}

void stream_freep(struct stream **io)
{
	stream_free(*io);
}

/*
 * Closing a TCP socket with unread input makes the kernel send a reset, and the peer may then lose
 * our last words before it has read them. What has arrived already is thrown away, within limits.
 */
static void drain(int fd)
{
	char waste[2048];

	for (int i = 0; i < 32; i++)
		if (recv(fd, waste, sizeof(waste), MSG_DONTWAIT) <= 0)
			return;
}

int stream_close(struct stream *io)
{
	int r;

	if (io == NULL)
		return 0;

	bool last_words = io->out_len > 0;

	r = stream_flush(io);
	if (io->layer != NULL && r == 0)
		io->layer->say_goodbye(io);
	if (last_words && r == 0)
		drain(io->fd);
	stream_free(io);
	return r;
}

int stream_fd(const struct stream *io)
{
	return io->fd;
}

int stream_detach(struct stream *io)
{
	int fd = io->fd;

	if (io->layer != NULL)
		return -EINVAL;
	task_forget_fd(fd);
	io->fd = -1;
	io->read_failed = io->write_failed = -EBADF;
	return fd;
}

void stream_set_timeout(struct stream *io, msec_t timeout)
{
	io->timeout = timeout;
}

void stream_set_deadline(struct stream *io, msec_t deadline)
{
	io->deadline = deadline;
}

void stream_finish_first(struct stream *io, bool finish_first)
{
	io->finishes_first = finish_first;
}

msec_t stream_wait_deadline(const struct stream *io)
{
	return MIN(clock_after(io->timeout), io->deadline);
}

const char *stream_error(const struct stream *io)
{
	int code = io->read_failed ? io->read_failed : io->write_failed;

	if (io->error != NULL)
		return io->error->text;
	if (code == -ENODATA)
		return "the peer closed the connection";
	return code ? strerror(-code) : "no error";
}

void stream_set_error(struct stream *io, const char *format, ...)
{
	va_list args;

	if (io->error == NULL)
		io->error = mem_new(struct error);
	va_start(args, format);
	vsnprintf(io->error->text, sizeof(io->error->text), format, args);
	va_end(args);
}

int stream_fail_reading(struct stream *io, int code)
{
	io->read_failed = code;
	if (code == -EPROTO)
		io->write_failed = code;
	return code;
}

int stream_fail_writing(struct stream *io, int code)
{
	io->write_failed = code;
	if (code == -EPROTO)
		io->read_failed = code;
	return code;
}

uint64_t stream_bytes_in(const struct stream *io)
{
	return io->bytes_in;
}

uint64_t stream_bytes_out(const struct stream *io)
{
	return io->bytes_out;
}

/* ---- reading ---- */

/* Room for at least one more byte of input, in a buffer of at least `size`. */
static void stream_make_room(struct stream *io, size_t size)
{
	if (io->in_start > 0 && (io->in_len == 0 || io->in_start + io->in_len == io->in_size)) {
		memmove(io->in, io->in + io->in_start, io->in_len);
		io->in_start = 0;
	}
	if (io->in_start + io->in_len < io->in_size)
		return;
	if (io->in == NULL && size == MEM_BLOCK_SIZE) {
		io->in = mem_block_take();
		io->in_size = size;
		return;
	}
	size_t larger_size = MAX(size, io->in_size * 2), start = io->in_start;
	char *larger = mem_resize(NULL, larger_size, 1);

	if (io->in != NULL)
		memcpy(larger, io->in, io->in_size);
	release_input(io);
	io->in = larger;
	io->in_size = larger_size;
	io->in_start = start;
}

/* One read: bytes, 0 at the end, -EAGAIN with *direction, or another errno. */
static ssize_t read_once(struct stream *io, enum direction *direction)
{
	char *at = io->in + io->in_start + io->in_len;
	size_t room = io->in_size - io->in_start - io->in_len;
	ssize_t n;

	if (io->layer != NULL)
		return io->layer->read(io, at, room, direction);
	*direction = FOR_READING;
	if (task_is_drained(io->fd))
		return -EAGAIN;
	do
		n = read(io->fd, at, room);
	while (n < 0 && errno == EINTR);
	if (n > 0 && (size_t)n < room)
		task_note_drained(io->fd);
	return n < 0 ? -errno : n;
}

/*
 * Who waits for more before an answer has only part of something. The peer may hold back the end of it
 * until the part is acknowledged (Nagle, RFC 896), which TCP puts off to go with an answer
 * (RFC 1122 4.2.3.2), and there is none before the end: so it is acknowledged now.
 */
static void acknowledge_part(struct stream *io)
{
	static const int on = 1;

	if (io->unanswered && !io->not_tcp &&
	    setsockopt(io->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on)) < 0)
		io->not_tcp = true;
	io->unanswered = false;
}

/* Adds at least one byte to the input. The end of a wait that `until` caused is no failure. */
static int stream_fill(struct stream *io, msec_t until)
{
	if (io->read_failed)
		return io->read_failed;
	/* Sent first, since the peer may be waiting for just that. A dead peer may have left input. */
	if (io->out_len > 0 && !io->sending && stream_flush(io) == -ETIMEDOUT)
		return stream_fail_reading(io, -ETIMEDOUT);
	task_share();
	for (;;) {
		enum direction direction;
		ssize_t n;
		int r;

		if (io->deadline != MSEC_FOREVER && clock_now() >= io->deadline)
			return stream_fail_reading(io, -ETIMEDOUT);
		stream_make_room(io, STREAM_BUFFER_SIZE);
		n = read_once(io, &direction);
		if (n > 0) {
			io->in_len += (size_t)n;
			io->bytes_in += (size_t)n;
			io->unanswered = true;
			return 0;
		}
		if (n == 0)
			return stream_fail_reading(io, -ENODATA);
		if (n != -EAGAIN)
			return stream_fail_reading(io, (int)n);
		if (io->in_len == 0)
			release_input(io);

		msec_t deadline = stream_wait_deadline(io);

		acknowledge_part(io);
		r = poll_wait_change(io->fd, direction, !io->finishes_first, MIN(until, deadline));
		if (r == -ESHUTDOWN || (r == -ETIMEDOUT && until < deadline))
			return r;
		if (r < 0)
			return stream_fail_reading(io, r);
		io->unanswered = true; /* if only part of a record of TLS */
	}
}

void stream_consume(struct stream *io, size_t len)
{
	len = MIN(len, io->in_len);
	io->in_start += len;
	io->in_len -= len;
}

/* Throws the input away up to and including the next LF: the rest of a line that was too long. */
static int skip_line(struct stream *io)
{
	while (io->skips_line) {
		size_t end = view_find_byte(stream_buffered(io), '\n');

		io->skipped += io->in_len;
		stream_consume(io, end == VIEW_NOT_FOUND ? io->in_len : end + 1);
		if (end != VIEW_NOT_FOUND) {
			io->skips_line = false;
			break;
		}
		if (io->skipped > STREAM_SKIP_MAX) {
			stream_set_error(io, "a line without end");
			return stream_fail_reading(io, -EPROTO);
		}

		int r = stream_fill(io, MSEC_FOREVER);

		if (r < 0)
			return r;
	}
	return 0;
}

int stream_read_line(struct stream *io, struct view *line, size_t max)
{
	size_t searched = 0, end;
	int r = skip_line(io);

	if (r < 0)
		return r;
	for (;;) {
		struct view input = stream_buffered(io);

		end = view_find_byte(view_from(input, searched), '\n');
		if (end != VIEW_NOT_FOUND) {
			end += searched;
			break;
		}
		/* One more than max: a CR that belongs to the end of the line. */
		if (input.len > max && (input.len > max + 1 || input.data[max] != '\r')) {
			io->skips_line = true;
			io->skipped = input.len;
			*line = view_first(input, max);
			stream_consume(io, input.len);
			return -EMSGSIZE;
		}
		searched = input.len;
		r = stream_fill(io, MSEC_FOREVER);
		if (r < 0)
			return r;
	}
	*line = view_first(stream_buffered(io), end);
	stream_consume(io, end + 1);
	io->had_cr = end > 0 && line->data[end - 1] == '\r';
	if (io->had_cr)
		line->len--;
	if (line->len <= max)
		return 0;
	line->len = max;
	return -EMSGSIZE;
}

bool stream_line_had_cr(const struct stream *io)
{
	return io->had_cr;
}

int stream_peek(struct stream *io, struct view *bytes)
{
	int r = skip_line(io);

	if (r == 0 && io->in_len == 0)
		r = stream_fill(io, MSEC_FOREVER);
	if (r < 0)
		return r;
	*bytes = view_first(stream_buffered(io), STREAM_BUFFER_SIZE);
	return 0;
}

int stream_read_exact(struct stream *io, void *data, size_t len)
{
	char *at = data;

	while (len > 0) {
		struct view bytes;
		int r = stream_peek(io, &bytes);

		if (r < 0)
			return r;
		bytes = view_first(bytes, len);
		memcpy(at, bytes.data, bytes.len);
		stream_consume(io, bytes.len);
		at += bytes.len;
		len -= bytes.len;
	}
	return 0;
}

struct view stream_buffered(const struct stream *io)
{
	return io->in_len > 0 ? view_make(io->in + io->in_start, io->in_len) : VIEW_NONE;
}

bool stream_is_settled(const struct stream *io)
{
	return io->in_len == 0 && io->out_len == 0 && !io->sending && !io->skips_line &&
	       io->read_failed == 0 && io->write_failed == 0;
}

void stream_discard_input(struct stream *io)
{
	io->in_len = 0;
	io->skips_line = false;
	release_input(io);
}

void stream_push_back(struct stream *io, struct view bytes)
{
	if (bytes.len == 0)
		return;
	if (bytes.len > io->in_start) {
		size_t size = MAX(bytes.len + io->in_len, (size_t)STREAM_BUFFER_SIZE);
		char *in = mem_new_array(char, size);

		/* To the end of the new buffer, so that the next push finds room in front. */
		if (io->in_len > 0)
			memcpy(in + size - io->in_len, io->in + io->in_start, io->in_len);
		size_t start = size - io->in_len;

		release_input(io);
		io->in_start = start;
		io->in = in;
		io->in_size = size;
	}
	io->in_start -= bytes.len;
	io->in_len += bytes.len;
	memmove(io->in + io->in_start, bytes.data, bytes.len);
}

int stream_wait(struct stream *io, msec_t deadline)
{
	msec_t own;
	int r;

	if (io->in_len > 0 && !io->skips_line)
		return 0;
	/* Only reading shows whether what comes through a layer holds anything for us. */
	if (io->layer != NULL) {
		r = skip_line(io);
		if (r == 0 && io->in_len == 0)
			r = stream_fill(io, deadline);
		return r == -ENODATA ? 0 : r;
	}
	if (io->read_failed)
		return io->read_failed == -ENODATA ? 0 : io->read_failed;
	if (io->out_len > 0 && !io->sending && stream_flush(io) == -ETIMEDOUT)
		return stream_fail_reading(io, -ETIMEDOUT);
	if (io->in_len == 0)
		release_input(io);
	own = stream_wait_deadline(io);
	r = io->finishes_first ? task_wait_reply(io->fd, MIN(deadline, own))
			       : task_wait_readable(io->fd, MIN(deadline, own));
	if (r == 0 || r == -ESHUTDOWN || (r == -ETIMEDOUT && deadline < own))
		return r;
	return stream_fail_reading(io, r);
}
