/* Fields of a header block, and where it ends. What they say is read elsewhere (address_list.c, mime_value.c). */
#include "mail/header.h"

/* Length of the line at the front, its LF included. */
static size_t line_length(struct view text)
{
	size_t lf = view_find_byte(text, '\n');

	return lf == VIEW_NOT_FOUND ? text.len : lf + 1;
}

static bool is_empty_line(struct view line)
{
	return view_is(line, "\n") || view_is(line, "\r\n");
}

/* Where the colon of "Name:" or "Name  :" stands, or VIEW_NOT_FOUND: the line is no field. */
static size_t find_colon(struct view line, size_t *name_length)
{
	size_t i = 0;

	while (i < line.len && line.data[i] > 32 && line.data[i] < 127 && line.data[i] != ':')
		i++;
	*name_length = i;
	while (i < line.len && (line.data[i] == ' ' || line.data[i] == '\t'))
		i++;
	return *name_length > 0 && i < line.len && line.data[i] == ':' ? i : VIEW_NOT_FOUND;
}

int header_step(struct view *rest, struct header_field *field)
{
	size_t end = line_length(*rest), name_length;
	struct view line = view_first(*rest, end);

	if (line.len == 0)
		return HEADER_END;
	if (is_empty_line(line)) {
		*rest = view_from(*rest, end);
		return HEADER_END;
	}

	size_t colon = find_colon(line, &name_length);

	if (colon != VIEW_NOT_FOUND)
		while (end < rest->len && (rest->data[end] == ' ' || rest->data[end] == '\t'))
			end += line_length(view_from(*rest, end));
	field->whole = view_first(*rest, end);
	*rest = view_from(*rest, end);
	if (colon == VIEW_NOT_FOUND)
		return HEADER_JUNK;
	field->name = view_first(field->whole, name_length);
	field->body = view_from(field->whole, colon + 1);
	if (view_ends(field->body, VIEW("\n")))
		field->body.len--;
	if (view_ends(field->body, VIEW("\r")))
		field->body.len--;
	return HEADER_FIELD;
}

int header_next(struct view *rest, struct header_field *field)
{
	int r;

	do
		r = header_step(rest, field);
	while (r == HEADER_JUNK);
	return r;
}

size_t header_find_end(struct view text, size_t from)
{
	while (from < text.len) {
		size_t end = from + line_length(view_from(text, from));

		if (is_empty_line(view_make(text.data + from, end - from)))
			return end;
		from = end;
	}
	return VIEW_NOT_FOUND;
}

bool header_find(struct view header, const char *name, struct header_field *field)
{
	while (header_next(&header, field) > 0) {
		if (view_is_nocase(field->name, name))
			return true;
	}
	return false;
}

void header_unfold(struct str *out, struct view body)
{
	body = view_trim(body);
	while (body.len > 0) {
		size_t run = 0;

		while (run < body.len && body.data[run] != '\r' && body.data[run] != '\n')
			run++;
		str_append(out, view_first(body, run));
		while (run < body.len && (body.data[run] == '\r' || body.data[run] == '\n'))
			run++;
		body = view_from(body, run);
	}
}
