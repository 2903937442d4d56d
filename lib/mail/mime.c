/*
 * The MIME structure of a message as a tree of byte ranges. Depth and number of parts are bounded;
 * contents are not decoded.
 */
#include "mail/mime.h"
#include "base/mem.h"

#define BOUNDARY_MAX 998 /* RFC 2046 says 70; a line cannot hold more */

/* A part that is open: its children come until its boundary, or until a boundary further out. */
struct open_part {
	int part;
	struct str boundary; /* empty: message/rfc822, or the closing delimiter was seen */
	bool digest;
};

struct mime_parser {
	struct view content;
	struct mime_tree *tree;
	struct open_part open[MIME_DEPTH_MAX + 1];
	size_t depth; /* open parts */
	int leaf;     /* the part whose body is being read, or -1 */
	size_t at;    /* start of the line to be read */
	size_t lines; /* line ends before `at` */
};

/* What a header says about the structure. */
struct part_kind {
	bool is_multipart, is_message, is_digest;
	struct str boundary;
};

static size_t line_end(struct view content, size_t at)
{
	const char *lf = memchr(content.data + at, '\n', content.len - at);

	return lf == NULL ? content.len : (size_t)(lf - content.data) + 1;
}

/*
 * Which open part has this line as its boundary: its place on the stack, or -1. *closing: it is
 * the last one, with "--" after. RFC 2046 5.1.1: the line need only begin with it, but one that is the
 * whole line comes before one that is not.
 */
static int find_boundary(const struct mime_parser *p, size_t from, size_t end, bool *closing)
{
	struct view line = view_make(p->content.data + from, end - from);
	int begins = -1;

	*closing = false;
	if (!view_starts(line, VIEW("--")))
		return -1;
	line = view_from(line, 2);
	while (line.len > 0 && ascii_is_space(line.data[line.len - 1]))
		line.len--;
	for (size_t i = p->depth; i-- > 0;) {
		struct view boundary = str_view(&p->open[i].boundary), tail;

		if (boundary.len == 0 || !view_starts(line, boundary))
			continue;
		tail = view_from(line, boundary.len);
		*closing = view_is(tail, "--");
		if (tail.len == 0 || *closing)
			return (int)i;
		/* The longest: of "a" and "ab" the latter has "--ab x". */
		if (begins < 0 || boundary.len > p->open[begins].boundary.len)
			begins = (int)i;
	}
	if (begins >= 0)
		*closing = view_starts(view_from(line, p->open[begins].boundary.len), VIEW("--"));
	return begins;
}

static int add_part(struct mime_parser *p, int parent)
{
	struct mime_tree *tree = p->tree;

	if (tree->count == MIME_PARTS_MAX) {
		tree->truncated = true;
		return -1;
	}
	array_grow(tree->parts, tree->count);

	struct mime_part *part = &tree->parts[tree->count];

	*part = (struct mime_part){ .parent = parent, .number = 1, .header_start = p->at };
	if (parent >= 0) {
		struct mime_part *up = &tree->parts[parent];

		part->number = ++up->children;
		part->depth = up->depth + 1;
	}
	return (int)tree->count++;
}

static void note_content_type(struct part_kind *kind, struct view body)
{
	struct mime_value value;

	if (mime_value_parse(body, &value) == 0) {
		const struct str *boundary = mime_parameter_get(&value, "boundary");
		struct view type = str_view(&value.type), subtype = str_view(&value.subtype);

		str_clear(&kind->boundary);
		kind->is_message = view_is(type, "message") &&
				   (view_is(subtype, "rfc822") || view_is(subtype, "global"));
		kind->is_multipart = view_is(type, "multipart") && boundary != NULL &&
				     boundary->len > 0 && boundary->len <= BOUNDARY_MAX;
		kind->is_digest = view_is(subtype, "digest");
		if (kind->is_multipart)
			str_append(&kind->boundary, view_trim(str_view(boundary)));
		kind->is_multipart = kind->boundary.len > 0;
	}
	mime_value_free(&value);
}

static size_t count_lines(struct view text)
{
	size_t lines = 0;

	for (size_t at = 0; at < text.len; at = line_end(text, at))
		lines += text.data[line_end(text, at) - 1] == '\n';
	return lines;
}

/*
 * Reads a part's header, up to its empty line or a boundary of an open part.
 * Leaves p->at at the body.
 */
static void part_read_header(struct mime_parser *p, struct part_kind *kind)
{
	struct view rest = view_from(p->content, p->at);
	struct header_field field;
	bool closing, typed = false, encoded = false;

	for (;;) {
		size_t at = p->content.len - rest.len;

		if (rest.len > 0 && find_boundary(p, at, line_end(p->content, at), &closing) >= 0)
			break;

		int kind_of_line = header_step(&rest, &field);

		if (kind_of_line == HEADER_END) {
			size_t body = p->content.len - rest.len;

			p->lines += body > at; /* the empty line */
			break;
		}
		p->lines += count_lines(field.whole);
		if (kind_of_line == HEADER_JUNK)
			continue;
		if (!typed && view_is_nocase(field.name, "Content-Type")) {
			note_content_type(kind, field.body);
			typed = true;
		} else if (view_is_nocase(field.name, "Content-Transfer-Encoding")) {
			struct view encoding = view_trim(field.body);

			encoded = view_is_nocase(encoding, "base64") ||
				  view_is_nocase(encoding, "quoted-printable");
		}
	}
	/* RFC 2046 5.2.1: an enclosed message is never encoded; such a thing is an attachment. */
	if (encoded)
		kind->is_message = false;
	p->at = p->content.len - rest.len;
}

/*
 * The part `index` begins at p->at: reads its header, and those of the messages that it encloses
 * one in the other.
 */
static void begin_part(struct mime_parser *p, int index, bool in_digest)
{
	while (index >= 0) {
		struct part_kind kind = { .is_message = in_digest };

		part_read_header(p, &kind);

		struct mime_part *part = &p->tree->parts[index];
		bool container = kind.is_multipart || kind.is_message;

		part->body_start = part->body_end = p->at;
		part->body_lines = p->lines; /* at its start; finish_part makes the difference */
		p->leaf = index;
		if (container && p->depth == MIME_DEPTH_MAX) {
			p->tree->truncated = true;
			container = false;
		}
		if (container) {
			struct open_part *open = &p->open[p->depth++];

			part->is_multipart = kind.is_multipart;
			part->is_message = !kind.is_multipart;
			*open = (struct open_part){ .part = index,
						    .boundary = kind.boundary,
						    .digest = kind.is_digest };
			kind.boundary = STR_EMPTY;
			p->leaf = -1;
		}
		str_free(&kind.boundary);
		if (!container || kind.is_multipart)
			return;
		in_digest = false;
		index = add_part(p, index);
		if (index < 0) {
			p->tree->parts[p->open[p->depth - 1].part].is_message = false;
			p->leaf = p->open[--p->depth].part;
		}
	}
}

/* The body of a part ends at `end`, before which there are `lines` line ends. */
static void finish_part(struct mime_parser *p, int index, size_t end, size_t lines)
{
	struct mime_part *part = &p->tree->parts[index];
	size_t lines_before = part->body_lines;

	/* A header that runs into the boundary has lost its last line end to it. */
	part->body_end = end;
	part->body_start = MIN(part->body_start, end);
	part->header_start = MIN(part->header_start, end);
	part->body_lines =
		end > part->body_start && lines > lines_before ? lines - lines_before : 0;
}

/* A multipart has at least one part: where none came, an empty one, which BODYSTRUCTURE shows too. */
static void add_empty_part(struct mime_parser *p, int parent, size_t end)
{
	int index = p->tree->parts[parent].children == 0 ? add_part(p, parent) : -1;

	if (index < 0)
		return;
	p->tree->parts[index].header_start = p->tree->parts[index].body_start =
		p->tree->parts[index].body_end = end;
}

/* Closes the leaf and every open part above place `keep` of the stack. */
static void close_parts(struct mime_parser *p, size_t keep, size_t end, size_t lines)
{
	if (p->leaf >= 0)
		finish_part(p, p->leaf, end, lines);
	p->leaf = -1;
	while (p->depth > keep) {
		struct open_part *open = &p->open[--p->depth];

		if (p->tree->parts[open->part].is_multipart)
			add_empty_part(p, open->part, end);
		finish_part(p, open->part, end, lines);
		str_free(&open->boundary);
	}
}

/*
 * A line that is a boundary of the open part at `place`, with `lines` line ends before it; p->at
 * is after it already.
 */
static void take_boundary(struct mime_parser *p, size_t place, size_t line_start, size_t lines,
			  bool closing)
{
	size_t end = line_start;

	/* The line end before a boundary belongs to the boundary (RFC 2046 5.1.1). */
	if (end > 0 && p->content.data[end - 1] == '\n') {
		end--;
		lines -= lines > 0;
		if (end > 0 && p->content.data[end - 1] == '\r')
			end--;
	}
	close_parts(p, place + 1, end, lines);

	struct open_part *open = &p->open[place];

	if (closing) {
		str_clear(&open->boundary); /* what follows is epilogue */
		return;
	}

	int index = add_part(p, open->part);

	if (index >= 0)
		begin_part(p, index, open->digest);
}

void mime_tree_parse(struct view content, struct mime_tree *tree)
{
	struct mime_parser p = { .content = content, .tree = tree, .leaf = -1 };

	*tree = (struct mime_tree){ 0 };
	begin_part(&p, add_part(&p, -1), false);
	/* Without an open boundary no line can matter any more but for the count. */
	while (p.at < content.len) {
		size_t start = p.at, end = line_end(content, start), lines = p.lines;
		bool closing;

		p.at = end;
		p.lines += content.data[end - 1] == '\n';
		if (content.data[start] != '-')
			continue;

		int place = find_boundary(&p, start, end, &closing);

		if (place >= 0)
			take_boundary(&p, (size_t)place, start, lines, closing);
	}
	close_parts(&p, 0, content.len, p.lines);
}

void mime_tree_free(struct mime_tree *tree)
{
	free(tree->parts);
	*tree = (struct mime_tree){ 0 };
}
