/*
 * The content: line ends made CRLF whatever came, the header collected (bounded) and handed to the
 * stages, the body streamed after it.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "characters.h"
#include "conf/conf.h"
#include "intake.h"
#include "proofs.h"

/* The order in which content passes them. */
static const struct content_stage *const stages[] = {
	&stage_verify,	  &stage_inspect,  &stage_hops,	    &stage_drop,
	&stage_addresses, &stage_complete, &stage_received,
};

int content_open(struct error *err)
{
	if (characters_open(err) < 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		int r = stages[i]->open != NULL ? stages[i]->open(err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int content_begin(struct intake *in)
{
	int r = 0;

	in->stages = mem_new_array(struct stage, ARRAY_SIZE(stages));
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		struct stage *stage = &in->stages[i];

		stage->kind = stages[i];
		stage->in = in;
		stage->next = i + 1 < ARRAY_SIZE(stages) ? stage + 1 : NULL;
		if (r == 0 && stage->kind->begin != NULL)
			r = stage->kind->begin(stage);
	}
	return r;
}

static int content_write(struct intake *in, struct view bytes)
{
	int r = queue_writer_content(in->writer, bytes);

	in->has_8bit = in->has_8bit || !view_is_ascii(bytes);
	return r < 0 ? intake_fail_temporarily(in, "write the queue file", r) : 0;
}

/* Gives a piece of the body to the first of these stages that looks at it. */
static int body_give(struct intake *in, struct stage *stage, struct view bytes)
{
	while (stage != NULL && stage->kind->body == NULL)
		stage = stage->next;
	if (bytes.len == 0)
		return 0;
	return stage != NULL ? stage->kind->body(stage, bytes) : content_write(in, bytes);
}

int stage_pass(struct stage *stage, struct view bytes)
{
	return body_give(stage->in, stage->next, bytes);
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
	int r = cleanup_signing_reserve(in);

	if (r == 0)
		r = passage_reserve(in);
	if (r < 0)
		return intake_fail_temporarily(in, "write the queue file", r);
	r = content_write(in, str_view(&block->front));
	for (size_t i = 0; r == 0 && i < block->count; i++) {
		const struct block_field *f = &block->fields[i];

		r = content_write(in, str_view(&f->before));
		if (r == 0 && !f->dropped)
			r = content_write(in, f->changed.len > 0 ? str_view(&f->changed)
								 : f->field.whole);
	}
	if (r == 0)
		r = content_write(in, str_view(&block->added));
	if (r == 0)
		r = content_write(in, VIEW("\r\n"));
	in->header_written.front = block->front.len;
	in->header_written.added = block->added.len;
	in->header_written.all = (size_t)queue_writer_size(in->writer);
	return r;
}

static int body_append(struct intake *in, struct view bytes)
{
	return body_give(in, in->stages, bytes);
}

/* The first `end` bytes of what was collected are the header; the body begins at `body`. */
static int finish_header(struct intake *in, size_t end, size_t body)
{
	struct header_block block = { 0 };
	struct view rest;
	int r = 0;

	in->in_body = true;
	header_block_parse(&block, view_first(str_view(&in->header), end), &rest);
	for (struct stage *stage = in->stages; r == 0 && stage != NULL; stage = stage->next)
		if (stage->kind->header != NULL)
			r = stage->kind->header(stage, &block);
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

/* "From x Mon Sep 17 ...", as mailbox files and old programs have it in front of a message. */
static bool is_mailbox_line(struct view line)
{
	while (view_starts(line, VIEW(">")))
		line = view_from(line, 1);
	return view_starts(line, VIEW("From "));
}

/* It is no field, and would end the header: it becomes one; sendmail(1) throws it away. */
static void take_mailbox_line(struct intake *in, size_t length)
{
	_cleanup_(str_free) struct str whole = STR_EMPTY;
	struct view header = str_view(&in->header);

	if (!in->local_submission) {
		str_printf(&whole, "X-Mailbox-Line: ");
		str_append(&whole, view_first(view_from(header, in->header_scanned), length));
	}
	in->mailbox_lines += whole.len;
	str_append(&whole, view_from(header, in->header_scanned + length));
	str_truncate(&in->header, in->header_scanned);
	str_append(&in->header, str_view(&whole));
	in->header_scanned = in->mailbox_lines;
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
		if (in->header_scanned == in->mailbox_lines && is_mailbox_line(line)) {
			take_mailbox_line(in, line.len);
			continue;
		}
		/* A header must not begin with a folded line, and text ends it. */
		if (!belongs_to_header(line, in->header_scanned == in->mailbox_lines))
			return finish_header(in, in->header_scanned, in->header_scanned);
		in->header_scanned += line.len;
	}
	if (in->header.len > (size_t)param.message_header_limit)
		return intake_fail(in, 552, "5.3.4", "Error: message header is too long");
	return 0;
}

/* ---- line ends ---- */

/* `bytes` have CRLF line ends only (but for a CR at the end, whose LF comes next). */
static int content_accept(void *argument, struct view bytes)
{
	struct intake *in = argument;

	if (in->in_body)
		return body_append(in, bytes);
	str_append(&in->header, bytes);
	return scan_header(in);
}

/*
 * The programs that send content have made its line ends CR LF; whether they did is not left to
 * trust, because a bare LF or CR could end a message for the next server.
 */
int content_append(struct intake *in, struct view bytes)
{
	_cleanup_(str_free) struct str room = STR_EMPTY;

	if (characters_are_refused(bytes))
		return intake_fail(in, 550, "5.7.1", "Error: disallowed character");
	return lineends_feed(&in->line_ends, characters_strip(bytes, &room), content_accept, in);
}

/*
 * What the message is said to be follows what it is (RFC 6152): 8-bit content whose sender did not
 * say so, and local submission, which says nothing.
 */
static void content_label(struct intake *in)
{
	if (in->has_8bit)
		queue_writer_set_body(in->writer, BODY_8BITMIME);
	else if (in->local_submission)
		queue_writer_set_body(in->writer, BODY_7BIT);
}

int content_end(struct intake *in)
{
	int r = lineends_finish(&in->line_ends, content_accept, in);

	/* A message that is all header. */
	if (r == 0 && !in->in_body)
		r = finish_header(in, in->header.len, in->header.len);
	for (struct stage *stage = in->stages; r == 0 && stage != NULL; stage = stage->next)
		if (stage->kind->end != NULL)
			r = stage->kind->end(stage);
	if (r == 0)
		content_label(in);
	return r;
}
