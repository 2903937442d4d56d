/*
 * Sending the content with dots, line ends and long lines as the next hop can take them. The queue
 * file stays as it is.
 */
#include "content.h"

#include <errno.h>

#include "base/mem.h"
#include "mail/linefold.h"

#define BLOCK_SIZE ((size_t)64 * 1024)

/* Where the next piece of the content begins: after what? */
struct sender {
	struct stream *io;
	char last[2]; /* the two bytes before this block */
	struct linefold fold;
};

/*
 * Writes bytes in runs as long as they come: a run ends after each line feed that a dot
 * follows. Also after a bare line feed: to some servers that is the end of a line.
 */
static int content_send_piece(struct sender *s, struct view piece)
{
	struct view rest = piece;
	int r = 0;

	if (piece.len == 0)
		return 0;
	if (s->last[1] == '\n' && rest.data[0] == '.')
		r = stream_write(s->io, VIEW("."));
	while (r == 0 && rest.len > 0) {
		const char *found = memmem(rest.data, rest.len, "\n.", 2);
		size_t run = found != NULL ? (size_t)(found - rest.data) + 1 : rest.len;

		r = stream_write(s->io, view_first(rest, run));
		rest = view_from(rest, run);
		if (r == 0 && found != NULL)
			r = stream_write(s->io, VIEW("."));
	}
	s->last[0] = piece.len > 1 ? piece.data[piece.len - 2] : s->last[1];
	s->last[1] = piece.data[piece.len - 1];
	return r;
}

/* Lines over the limit go on in the next one, after a blank, as in Postfix: a header stays one. */
static int content_send_block(struct sender *s, struct view block)
{
	for (;;) {
		size_t fits = linefold_fits(&s->fold, block);
		int r = content_send_piece(s, view_first(block, fits));

		block = view_from(block, fits);
		if (r < 0 || block.len == 0)
			return r;
		r = content_send_piece(s, LINEFOLD_BREAK);
		if (r < 0)
			return r;
	}
}

/* The next piece, at least one byte; `at` is after it then. `buffer` is made when it is needed. */
static int next_block(const struct io_source *content, uint64_t *at, char **buffer,
		      struct view *block)
{
	size_t len = (size_t)MIN(content->size - *at, (uint64_t)BLOCK_SIZE);
	int r;

	if (content->bytes != NULL) {
		*block = view_make(content->bytes + *at, len);
	} else {
		if (*buffer == NULL)
			*buffer = mem_resize(NULL, BLOCK_SIZE, 1);
		r = io_source_read(content, *buffer, len, *at);
		if (r < 0)
			return -EIO;
		*block = view_make(*buffer, len);
	}
	*at += len;
	return 0;
}

static int content_put(void *sender, struct view bytes)
{
	return content_send_block(sender, bytes);
}

int content_send(struct stream *io, const struct io_source *content,
		 const struct content_options *options)
{
	struct sender s = { .io = io, .last = { '\r', '\n' }, .fold.limit = options->line_limit };
	struct converter *converter =
		options->to_7bit || options->edit != NULL || options->edit_line != NULL
			? converter_new(
				  &(struct converter_work){ .to_7bit = options->to_7bit,
							    .edit = options->edit,
							    .edit_line = options->edit_line,
							    .edit_argument = options->edit_argument,
							    .put = content_put,
							    .argument = &s })
			: NULL;
	_cleanup_free_ char *buffer = NULL;
	struct view block;
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < content->size;) {
		r = next_block(content, &at, &buffer, &block);
		if (r == 0)
			r = converter != NULL ? converter_feed(converter, block)
					      : content_send_block(&s, block);
	}
	if (r == 0 && converter != NULL)
		r = converter_end(converter);
	converter_free(converter);
	if (r < 0)
		return r;
	if (s.last[0] != '\r' || s.last[1] != '\n') {
		r = stream_write(io, VIEW("\r\n"));
		if (r < 0)
			return r;
	}
	return stream_write(io, VIEW(".\r\n"));
}

int content_header_is_8bit(const struct io_source *content)
{
	_cleanup_free_ char *buffer = NULL;
	struct view block;
	char last = '\n';

	for (uint64_t at = 0; at < content->size;) {
		if (next_block(content, &at, &buffer, &block) < 0)
			return -EIO;
		for (size_t i = 0; i < block.len; i++) {
			char c = block.data[i];

			if (c == '\r')
				continue;
			if (c == '\n' && last == '\n')
				return 0; /* the empty line */
			if ((unsigned char)c >= 0x80)
				return 1;
			last = c;
		}
	}
	return 0;
}
