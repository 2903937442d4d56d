/* gzip, written. What it is made of is small enough to be kept in memory; zlib fails for want of memory only. */
#include "report/compress.h"

#include <zlib.h>

#include "base/mem.h"

#define GZIP_WINDOW (15 + 16) /* zlib's way to say: with the head and end of gzip */
#define GZIP_PIECE  16384

struct gzip_writer {
	z_stream stream;
	struct str out;
};

struct gzip_writer *gzip_writer_new(void)
{
	struct gzip_writer *writer = mem_new(struct gzip_writer);

	if (deflateInit2(&writer->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		mem_exhausted();
	return writer;
}

static void gzip_writer_run(struct gzip_writer *writer, struct view text, int flush)
{
	z_stream *z = &writer->stream;
	size_t before;

	z->next_in = (z_const Bytef *)(uintptr_t)text.data;
	z->avail_in = (uInt)text.len;
	do {
		z->next_out = (Bytef *)str_reserve(&writer->out, GZIP_PIECE);
		z->avail_out = GZIP_PIECE;
		before = z->avail_out;
		(void)deflate(z, flush);
		str_grow(&writer->out, before - z->avail_out);
	} while (z->avail_out == 0);
}

void gzip_writer_put(struct gzip_writer *writer, struct view text)
{
	for (; text.len > 0; text = view_from(text, GZIP_PIECE))
		gzip_writer_run(writer, view_first(text, GZIP_PIECE), Z_NO_FLUSH);
}

void gzip_writer_end(struct gzip_writer *writer, struct str *out)
{
	gzip_writer_run(writer, VIEW_NONE, Z_FINISH);
	deflateEnd(&writer->stream);
	str_append(out, str_view(&writer->out));
	str_free(&writer->out);
	free(writer);
}
