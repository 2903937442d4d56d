/*
 * From 8 bits to 7, line by line, by the MIME structure of the message (mail/mimewalk.h). Nothing
 * grows with the message: a line or a field that is longer than fits is handed on in pieces.
 */
#include "convert.h"

#include <errno.h>

#include "base/mem.h"
#include "mail/mimewalk.h"

#define PIECE_MAX   ((size_t)64 * 1024) /* of a line or a field that is looked at as a whole */
#define ENCODED_MAX 72 /* columns of a line, with room for its soft line break (RFC 2045 6.7) */

struct converter {
	struct converter_work work;
	bool in_part; /* the message's own header is over */
	struct mime_walk walk;
	struct str line;     /* not yet whole */
	bool line_continues; /* its front was handed on already */
	struct str field;    /* of a header, with its folded lines */
	struct str out;	     /* kept memory */
	bool is_8bit;	     /* a label of the header under way says so */
	bool encodes;	     /* the body under way */
	size_t column;
};

struct converter *converter_new(const struct converter_work *work)
{
	struct converter *c = mem_new(struct converter);

	c->work = *work;
	c->walk.state = WALK_NESTED_HEADER;
	return c;
}

void converter_free(struct converter *c)
{
	if (c == NULL)
		return;
	mime_walk_free(&c->walk);
	str_free(&c->line);
	str_free(&c->field);
	str_free(&c->out);
	free(c);
}

/* ---- headers ---- */

static int convert_put_field(struct converter *c, struct view whole)
{
	enum converter_place place = !c->in_part			 ? FIELD_PRIMARY
				     : c->walk.state == WALK_PART_HEADER ? FIELD_MIME
									 : FIELD_NESTED;
	int r = 0;

	str_clear(&c->out);
	if (c->work.edit != NULL)
		r = c->work.edit(c->work.edit_argument, place, whole, &c->out);
	if (r < 0)
		return -EIO;
	return c->work.put(c->work.argument, r > 0 ? str_view(&c->out) : whole);
}

/* The field is whole: its label is left out where another one will take its place. */
static int finish_field(struct converter *c)
{
	struct view whole = str_view(&c->field);
	size_t colon = view_find_byte(whole, ':');
	bool is_label = false;
	int r = 0;

	if (colon != VIEW_NOT_FOUND && !ascii_is_space(whole.data[0])) {
		struct view name = view_trim(view_first(whole, colon));
		struct view body = view_trim(view_from(whole, colon + 1));

		mime_walk_field(&c->walk, name, body);
		is_label = c->work.to_7bit && view_is_nocase(name, "Content-Transfer-Encoding") &&
			   (view_is_nocase(body, "8bit") || view_is_nocase(body, "binary"));
		c->is_8bit |= is_label;
	}
	if (whole.len > 0 && !is_label)
		r = convert_put_field(c, whole);
	str_clear(&c->field);
	return r;
}

static int convert_finish_header(struct converter *c)
{
	int r = finish_field(c);
	bool composite = c->walk.boundary.len > 0 || c->walk.is_message;

	c->encodes = c->is_8bit && !composite;
	c->column = 0;
	if (r == 0 && c->is_8bit)
		r = c->work.put(c->work.argument,
				composite ? VIEW("Content-Transfer-Encoding: 7bit\r\n")
					  : VIEW("Content-Transfer-Encoding: "
						 "quoted-printable\r\n"));
	c->is_8bit = false;
	c->in_part = true;
	mime_walk_header_end(&c->walk);
	return r;
}

static int take_header_line(struct converter *c, struct view line)
{
	bool is_folded = line.data[0] == ' ' || line.data[0] == '\t';
	int r = 0;

	if (view_is(line, "\r\n") || view_is(line, "\n")) {
		r = convert_finish_header(c);
		return r < 0 ? r : c->work.put(c->work.argument, line);
	}
	if (!is_folded || c->field.len + line.len > PIECE_MAX)
		r = finish_field(c);
	str_append(&c->field, line);
	return r;
}

/* ---- bodies ---- */

static void put_byte(struct converter *c, unsigned char byte, bool literal)
{
	size_t width = literal ? 1 : 3;

	if (c->column + width > ENCODED_MAX) {
		str_append(&c->out, VIEW("=\r\n"));
		c->column = 0;
	}
	if (literal)
		str_append_byte(&c->out, (char)byte);
	else
		str_printf(&c->out, "=%02X", byte);
	c->column += width;
}

/* A line or a piece of one. A blank at the end of a line would be lost on the way. */
static int encode_line(struct converter *c, struct view line)
{
	size_t end = line.len > 0 && line.data[line.len - 1] == '\n' ? line.len - 1 : line.len;
	bool ends = end < line.len;

	if (ends && end > 0 && line.data[end - 1] == '\r')
		end--;
	str_clear(&c->out);
	for (size_t i = 0; i < end; i++) {
		unsigned char byte = (unsigned char)line.data[i];
		bool is_blank = byte == ' ' || byte == '\t';

		put_byte(c, byte, is_blank ? i + 1 < end : byte > ' ' && byte < 127 && byte != '=');
	}
	str_append(&c->out, view_from(line, end));
	if (ends)
		c->column = 0;
	return c->work.put(c->work.argument, str_view(&c->out));
}

static int put_body_line(struct converter *c, struct view line)
{
	return c->encodes ? encode_line(c, line) : c->work.put(c->work.argument, line);
}

/* A line of a body, or what takes its place. */
static int take_body_line(struct converter *c, struct view line)
{
	struct view text = line;
	int r = 0;

	while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
		text.len--;
	str_clear(&c->field);
	if (c->work.edit_line != NULL && !c->line_continues)
		r = c->work.edit_line(c->work.edit_argument, text, &c->field);
	if (r == 0)
		return put_body_line(c, line);
	for (struct view rest = str_view(&c->field); r > 0 && rest.len > 0;) {
		struct view one = view_first(rest, view_find_byte(rest, '\n') + 1);

		if (put_body_line(c, one) < 0)
			r = -EIO;
		rest = view_from(rest, one.len);
	}
	str_clear(&c->field);
	return r < 0 ? -EIO : 0;
}

/* A line with its end, or a piece of one that is too long (`whole` false), or the last without. */
static int converter_take_line(struct converter *c, struct view line, bool whole)
{
	bool in_header = c->walk.state != WALK_BODY;

	if (whole && c->walk.depth > 0 && view_starts(line, VIEW("--"))) {
		/* A part may end within its header. */
		int r = in_header ? finish_field(c) : 0;

		if (r < 0)
			return r;
		if (mime_walk_is_boundary(&c->walk, line)) {
			c->encodes = c->is_8bit = false;
			return c->work.put(c->work.argument, line);
		}
	}
	if (in_header)
		return whole ? take_header_line(c, line) : c->work.put(c->work.argument, line);
	return take_body_line(c, line);
}

static int take_rest(struct converter *c, bool ends)
{
	bool whole = !c->line_continues;
	int r = 0;

	if (!whole || c->line.len > PIECE_MAX)
		r = c->walk.state != WALK_BODY ? finish_field(c) : 0;
	if (r == 0)
		r = converter_take_line(c, str_view(&c->line), whole && c->line.len <= PIECE_MAX);
	c->line_continues = !ends;
	str_clear(&c->line);
	return r;
}

int converter_feed(struct converter *c, struct view bytes)
{
	int r = 0;

	while (r == 0 && bytes.len > 0) {
		size_t end = view_find_byte(bytes, '\n');
		bool ends = end != VIEW_NOT_FOUND;
		struct view piece = view_first(bytes, ends ? end + 1 : bytes.len);

		str_append(&c->line, piece);
		bytes = view_from(bytes, piece.len);
		if (ends || c->line.len > PIECE_MAX)
			r = take_rest(c, ends);
	}
	return r;
}

int converter_end(struct converter *c)
{
	int r = c->line.len > 0 ? take_rest(c, true) : 0;

	return r == 0 && c->walk.state != WALK_BODY ? convert_finish_header(c) : r;
}
