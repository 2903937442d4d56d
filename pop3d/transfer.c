/* Sending a message as POP3 wants it, with dots. It reads the store and changes nothing. */
#include <errno.h>

#include "base/io.h"
#include "base/mem.h"
#include "session.h"

#define BLOCK ((size_t)65536)

struct transfer {
	struct stream *io;
	uint64_t lines; /* of the body that may still be sent */
	bool in_body, line_start, empty_line, done;
	uint64_t sent;
};

static int transfer_put(struct transfer *t, struct view bytes)
{
	t->sent += bytes.len;
	return bytes.len > 0 ? stream_write(t->io, bytes) : 0;
}

/* Notes the end of a line at data[at]: where the header ends, and whether that is enough. */
static void end_line(struct transfer *t)
{
	if (t->in_body)
		t->lines -= t->lines != TRANSFER_ALL;
	else
		t->in_body = t->empty_line;
	t->done = t->in_body && t->lines == 0;
	t->line_start = t->empty_line = true;
}

/* The bytes as they are, but that a dot at the start of a line is sent twice. */
static int transfer_send_block(struct transfer *t, struct view block)
{
	size_t from = 0;
	int r = 0;

	for (size_t i = 0; i < block.len && r == 0 && !t->done;) {
		if (t->line_start && block.data[i] == '.') {
			r = transfer_put(t, view_make(block.data + from, i - from));
			if (r == 0)
				r = transfer_put(t, VIEW("."));
			from = i;
		}
		t->line_start = false;

		const char *lf = memchr(block.data + i, '\n', block.len - i);
		size_t end = lf != NULL ? (size_t)(lf - block.data) : block.len;

		/* Anything but a CR: the line is not empty. */
		if (end > i + 1 || (end > i && block.data[i] != '\r'))
			t->empty_line = false;
		i = end;
		if (lf != NULL) {
			end_line(t);
			i++;
		}
		if (t->done)
			block.len = i;
	}
	return r < 0 ? r : transfer_put(t, view_from(block, from));
}

int transfer_content(struct stream *io, int fd, uint64_t size, uint64_t lines, uint64_t *sent)
{
	_cleanup_free_ char *block = mem_new_bytes(BLOCK);
	struct transfer t = { .io = io, .lines = lines, .line_start = true, .empty_line = true };
	int r = 0;

	for (uint64_t at = 0; at < size && r == 0 && !t.done;) {
		size_t want = (size_t)MIN((uint64_t)BLOCK, size - at);

		r = io_pread_all(fd, block, want, (off_t)at);
		if (r < 0)
			return r == -ENODATA ? -EIO : r;
		r = transfer_send_block(&t, view_make(block, want));
		at += want;
	}
	*sent += t.sent;
	if (r < 0)
		return r;
	return stream_write(io, t.line_start ? VIEW(".\r\n") : VIEW("\r\n.\r\n"));
}
