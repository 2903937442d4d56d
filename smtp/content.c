#include "content.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"

#define BLOCK_SIZE ((size_t)64 * 1024)

/* Where the next piece of the content begins: behind what? */
struct sender {
	struct stream *io;
	char last[2]; /* the two bytes before this block */
};

/*
 * Writes a block in runs as long as they come: a run ends behind each line feed that a dot
 * follows. Also behind a bare line feed: to some servers that is the end of a line.
 */
static int send_block(struct sender *s, struct view block)
{
	int r = 0;

	if (s->last[1] == '\n' && block.data[0] == '.')
		r = stream_write(s->io, VIEW("."));
	while (r == 0 && block.len > 0) {
		const char *found = memmem(block.data, block.len, "\n.", 2);
		size_t run = found != NULL ? (size_t)(found - block.data) + 1 : block.len;

		r = stream_write(s->io, view_first(block, run));
		block = view_from(block, run);
		if (r == 0 && found != NULL)
			r = stream_write(s->io, VIEW("."));
	}
	return r;
}

static int read_block(int fd, char *buffer, size_t len, uint64_t offset, size_t *got)
{
	ssize_t n;

	do
		n = pread(fd, buffer, len, (off_t)offset);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -EIO;
	*got = (size_t)n;
	return 0;
}

int content_send(struct stream *io, int fd, uint64_t offset, uint64_t size)
{
	struct sender s = { .io = io, .last = { '\r', '\n' } };
	_cleanup_free_ char *buffer = mem_resize(NULL, BLOCK_SIZE, 1);

	while (size > 0) {
		size_t len = 0;
		int r = read_block(fd, buffer, (size_t)MIN(size, (uint64_t)BLOCK_SIZE), offset,
				   &len);

		if (r == 0)
			r = send_block(&s, view_make(buffer, len));
		if (r < 0)
			return r;
		s.last[0] = len > 1 ? buffer[len - 2] : s.last[1];
		s.last[1] = buffer[len - 1];
		offset += len;
		size -= len;
	}
	if (s.last[0] != '\r' || s.last[1] != '\n') {
		int r = stream_write(io, VIEW("\r\n"));

		if (r < 0)
			return r;
	}
	return stream_write(io, VIEW(".\r\n"));
}

int content_header_is_8bit(int fd, uint64_t offset, uint64_t size)
{
	_cleanup_free_ char *buffer = mem_resize(NULL, BLOCK_SIZE, 1);
	char last = '\n';

	while (size > 0) {
		size_t len = 0;

		if (read_block(fd, buffer, (size_t)MIN(size, (uint64_t)BLOCK_SIZE), offset, &len) <
		    0)
			return -EIO;
		for (size_t i = 0; i < len; i++) {
			char c = buffer[i];

			if (c == '\r')
				continue;
			if (c == '\n' && last == '\n')
				return 0; /* the empty line */
			if ((unsigned char)c >= 0x80)
				return 1;
			last = c;
		}
		offset += len;
		size -= len;
	}
	return 0;
}
