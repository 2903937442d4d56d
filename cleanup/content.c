/*
 * The content: line ends made CRLF whatever came, the header collected (bounded) and handed to the
 * stages, the body streamed after it.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "intake.h"

/* Content inspection (header and body checks, milters, signatures) finds its place in this list. */
static const struct content_stage stages[] = {
	{ "hops", stage_count_hops, NULL, NULL },
	{ "drop", stage_drop_fields, NULL, NULL },
	{ "addresses", stage_rewrite_addresses, NULL, NULL },
	{ "complete", stage_complete, NULL, NULL },
	{ "received", stage_received, NULL, NULL },
};

static int content_write(struct intake *in, struct view bytes)
{
	int r = queue_writer_content(in->writer, bytes);

	return r < 0 ? intake_fail_temporarily(in, "write the queue file", r) : 0;
}

/* ---- header ---- */

/* Is the line at the front, which is whole, still part of the header? */
static bool belongs_to_header(struct view line, bool first)
{
	struct header_field field;

	if (!first && (line.data[0] == ' ' || line.data[0] == '\t'))
		return true;
	return header_next(&line, &field) > 0;
}

static int write_header(struct intake *in, const struct header_block *block)
{
	int r = content_write(in, str_view(&block->front));

	for (size_t i = 0; r == 0 && i < block->count; i++) {
		const struct block_field *f = &block->fields[i];

		if (!f->dropped)
			r = content_write(in, f->changed.len > 0 ? str_view(&f->changed)
								 : f->field.whole);
	}
	if (r == 0)
		r = content_write(in, str_view(&block->added));
	return r == 0 ? content_write(in, VIEW("\r\n")) : r;
}

static int body_append(struct intake *in, struct view bytes)
{
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++)
		if (stages[i].body != NULL && stages[i].body(in, bytes) < 0)
			return -EACCES;
	return bytes.len > 0 ? content_write(in, bytes) : 0;
}

/* The first `end` bytes of what was collected are the header; the body begins at `body`. */
static int finish_header(struct intake *in, size_t end, size_t body)
{
	struct header_block block = { 0 };
	struct view rest;
	int r = 0;

	in->in_body = true;
	header_block_parse(&block, view_first(str_view(&in->header), end), &rest);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(stages); i++)
		if (stages[i].header != NULL)
			r = stages[i].header(in, &block);
	if (r == 0)
		r = write_header(in, &block);
	if (r == 0)
		r = body_append(in, rest);
	header_block_free(&block);
	if (r == 0)
		r = body_append(in, view_from(str_view(&in->header), body));
	str_free(&in->header);
	return r;
}

/* Looks at the whole lines that have come; hands the header on when it has ended. */
static int scan_header(struct intake *in)
{
	for (;;) {
		struct view rest = view_from(str_view(&in->header), in->header_scanned);
		size_t lf = view_find_byte(rest, '\n');

		if (lf == VIEW_NOT_FOUND)
			break;
		struct view line = view_first(rest, lf + 1);

		if (view_is(line, "\r\n"))
			return finish_header(in, in->header_scanned, in->header_scanned + line.len);
		/* A header must not begin with a folded line, and text ends it. */
		if (!belongs_to_header(line, in->header_scanned == 0))
			return finish_header(in, in->header_scanned, in->header_scanned);
		in->header_scanned += line.len;
	}
	if (in->header.len > (size_t)param.message_header_limit)
		return intake_fail(in, 552, "5.3.4", "Error: message header is too long");
	return 0;
}

/* ---- line ends ---- */

/* `bytes` have CRLF line ends only (but for a CR at the end, whose LF comes next). */
static int content_accept(struct intake *in, struct view bytes)
{
	if (bytes.len == 0)
		return 0;
	in->at_line_start = bytes.data[bytes.len - 1] == '\n';
	if (in->in_body)
		return body_append(in, bytes);
	str_append(&in->header, bytes);
	return scan_header(in);
}

/* Length of the part at the front in which CR and LF come as pairs alone. */
static size_t clean_length(struct view bytes)
{
	size_t at = 0;

	while (at < bytes.len) {
		const char *start = bytes.data + at;
		size_t left = bytes.len - at;
		const char *lf = memchr(start, '\n', left);
		const char *cr = memchr(start, '\r', lf ? (size_t)(lf - start) : left);

		if (lf == NULL)
			return cr ? (size_t)(cr - bytes.data) : bytes.len;
		if (cr == NULL || cr + 1 != lf)
			return (size_t)((cr && cr < lf ? cr : lf) - bytes.data);
		at = (size_t)(lf - bytes.data) + 1;
	}
	return at;
}

/*
 * The programs that send content have made it CRLF; whether they did is not left to trust, because
 * a bare LF or CR could end a message for the next server (SMTP smuggling). A bare LF becomes CRLF,
 * a bare CR a space.
 */
int content_append(struct intake *in, struct view bytes)
{
	int r = 0;

	if (in->pending_cr && bytes.len > 0) {
		in->pending_cr = false;
		if (bytes.data[0] == '\n')
			bytes = view_from(bytes, 1), r = content_accept(in, VIEW("\r\n"));
		else
			r = content_accept(in, VIEW(" "));
	}
	while (r == 0 && bytes.len > 0) {
		size_t clean = clean_length(bytes);

		r = content_accept(in, view_first(bytes, clean));
		bytes = view_from(bytes, clean);
		if (r < 0 || bytes.len == 0)
			break;
		if (bytes.data[0] == '\n') {
			r = content_accept(in, VIEW("\r\n"));
		} else if (bytes.len == 1) {
			in->pending_cr = true;
		} else if (bytes.data[1] == '\n') {
			r = content_accept(in, VIEW("\r\n"));
			bytes = view_from(bytes, 1);
		} else {
			r = content_accept(in, VIEW(" "));
		}
		bytes = view_from(bytes, 1);
	}
	return r;
}

int content_end(struct intake *in)
{
	int r = 0;

	if (in->pending_cr)
		r = content_accept(in, VIEW("\r\n"));
	else if (!in->at_line_start)
		r = content_accept(in, VIEW("\r\n"));
	/* A message that is all header. */
	if (r == 0 && !in->in_body)
		r = finish_header(in, in->header.len, in->header.len);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(stages); i++)
		if (stages[i].end != NULL)
			r = stages[i].end(in);
	return r;
}
