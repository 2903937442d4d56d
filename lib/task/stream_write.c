/* The writing half of a buffered connection. A peer that does not read ends at its deadline. */
#include "task/stream.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/mem.h"
#include "task/stream_layer.h"

#define OUTPUT_SIZE_MIN 1024

/* One write: bytes, -EAGAIN with *direction, or another errno. */
static ssize_t stream_write_once(struct stream *io, const char *data, size_t len,
				 enum direction *direction)
{
	ssize_t n;

	if (io->layer != NULL)
		return io->layer->write(io, data, len, direction);
	*direction = FOR_WRITING;
	do {
		if (io->not_a_socket)
			n = write(io->fd, data, len);
		else
			n = send(io->fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == ENOTSOCK && !io->not_a_socket) {
			io->not_a_socket = true;
			errno = EINTR;
		}
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* The wait after -EAGAIN. */
static int wait_to_send(struct stream *io, enum direction direction)
{
	int r = poll_wait_change(io->fd, direction, false, stream_wait_deadline(io));

	return r < 0 ? stream_fail_writing(io, r) : 0;
}

void stream_before_sending(struct stream *io, int (*hook)(void *argument), void *argument)
{
	io->before_sending = hook;
	io->before_sending_argument = argument;
}

/* What has failed already, or fails now. */
static int stream_prepare_to_send(struct stream *io)
{
	int r = io->write_failed;

	if (r == 0 && io->before_sending != NULL) {
		r = io->before_sending(io->before_sending_argument);
		if (r < 0)
			return stream_fail_writing(io, r);
	}
	return r;
}

int stream_send(struct stream *io, const char *data, size_t len)
{
	int r;

	/* Two writers would mix their bytes. */
	if (io->sending)
		return -EBUSY;
	r = stream_prepare_to_send(io);
	io->sending = true;
	while (r == 0 && len > 0) {
		enum direction direction;
		ssize_t n = stream_write_once(io, data, len, &direction);

		if (n == -EAGAIN) {
			r = wait_to_send(io, direction);
		} else if (n < 0) {
			r = stream_fail_writing(io, (int)n);
		} else {
			data += n;
			len -= (size_t)n;
			io->bytes_out += (size_t)n;
			io->unanswered = false;
			task_share();
		}
	}
	io->sending = false;
	return r;
}

int stream_flush(struct stream *io)
{
	int r;

	if (io->out_len == 0)
		return io->write_failed;
	if (io->sending)
		return -EBUSY;

	/* Taken out of the stream first: whatever is written meanwhile starts a new buffer. */
	_cleanup_free_ char *out = TAKE(io->out);
	size_t len = io->out_len, size = io->out_size;

	io->out_len = io->out_size = 0;
	r = stream_send(io, out, len);
	if (io->wipes_output)
		mem_wipe(out, size);
	return r;
}

/* Replies are short: the buffer begins small. */
static void make_output_room(struct stream *io, size_t more)
{
	size_t size = MAX(io->out_size, (size_t)OUTPUT_SIZE_MIN);

	/* A buffer that grows leaves what was in the small one behind. */
	if (io->wipes_output)
		size = STREAM_BUFFER_SIZE;

	while (size < MIN(io->out_len + more, (size_t)STREAM_BUFFER_SIZE))
		size *= 2;
	if (io->out == NULL || size > io->out_size)
		io->out = mem_resize(io->out, size, 1);
	io->out_size = size;
}

int stream_write(struct stream *io, struct view bytes)
{
	while (bytes.len > 0) {
		if (io->write_failed)
			return io->write_failed;
		if (io->out_len == 0 && bytes.len >= STREAM_BUFFER_SIZE)
			return stream_send(io, bytes.data, bytes.len);

		size_t part = MIN(bytes.len, STREAM_BUFFER_SIZE - io->out_len);

		make_output_room(io, part);
		memcpy(io->out + io->out_len, bytes.data, part);
		io->out_len += part;
		bytes = view_from(bytes, part);
		if (io->out_len == STREAM_BUFFER_SIZE) {
			int r = stream_flush(io);

			if (r < 0)
				return r;
		}
	}
	return io->write_failed;
}

int stream_printf(struct stream *io, const char *format, ...)
{
	_cleanup_(str_free) struct str long_text = STR_EMPTY;
	char text[512];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0)
		return -EINVAL;
	if ((size_t)len < sizeof(text))
		return stream_write(io, view_make(text, (size_t)len));
	va_start(args, format);
	str_vprintf(&long_text, format, args);
	va_end(args);
	return stream_write(io, str_view(&long_text));
}

/* Through memory: for TLS, small pieces, and files that sendfile() does not take. */
static int stream_copy_file(struct stream *io, int fd, off_t offset, uint64_t len)
{
	_cleanup_free_ char *buffer = mem_resize(NULL, STREAM_BUFFER_SIZE, 1);

	while (len > 0) {
		ssize_t n =
			pread(fd, buffer, (size_t)MIN(len, (uint64_t)STREAM_BUFFER_SIZE), offset);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		r = stream_write(io, view_make(buffer, (size_t)n));
		if (r < 0)
			return r;
		offset += n;
		len -= (uint64_t)n;
	}
	return io->write_failed;
}

/* Returns -EOPNOTSUPP if nothing was sent because sendfile() cannot do it. */
static int send_file(struct stream *io, int fd, off_t offset, uint64_t len)
{
	bool begun = false;
	int r;

	while (len > 0) {
		ssize_t n = sendfile(io->fd, fd, &offset, (size_t)MIN(len, (uint64_t)1 << 20));

		if (n > 0) {
			len -= (uint64_t)n;
			io->bytes_out += (uint64_t)n;
			begun = true;
			task_share();
		} else if (n == 0) {
			return -EIO; /* shorter than the caller said */
		} else if (errno == EAGAIN) {
			r = wait_to_send(io, FOR_WRITING);
			if (r < 0)
				return r;
		} else if ((errno == EINVAL || errno == ENOSYS) && !begun) {
			return -EOPNOTSUPP;
		} else if (errno != EINTR) {
			return stream_fail_writing(io, -errno);
		}
	}
	return 0;
}

int stream_write_file(struct stream *io, int fd, off_t offset, uint64_t len)
{
	int r;

	if (io->layer != NULL || len <= STREAM_BUFFER_SIZE - io->out_len)
		return stream_copy_file(io, fd, offset, len);
	r = stream_flush(io);
	if (r < 0)
		return r;
	if (io->sending)
		return -EBUSY;
	r = stream_prepare_to_send(io);
	if (r < 0)
		return r;
	io->sending = true;
	r = send_file(io, fd, offset, len);
	io->sending = false;
	return r == -EOPNOTSUPP ? stream_copy_file(io, fd, offset, len) : r;
}
