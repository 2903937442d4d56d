/*
 * Reads the words of an IMAP command (RFC 9051, section 9) from a stream. It knows syntax;
 * commands know meaning.
 */
#include "imap/parser.h"

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "imap/chars.h"

#define PIECES_MAX 16384 /* stored strings of one command */

struct imap_parser {
	struct stream *io;
	struct imap_limits limits;
	struct str line; /* the present line of the command, without its end */
	size_t at;
	struct str tag, name;
	/* Literals and unquoted strings live here until the next command. */
	char **pieces;
	size_t piece_count;
	size_t taken; /* bytes of this command's lines and stored literals so far */
	size_t literals;
	uint64_t streaming; /* bytes of a literal still to come */
	bool in_literal;    /* a literal was begun, and the line after it was not read yet */
	bool line_done;	    /* the command's last line was read and parsed past */
	const char *problem;
};

struct imap_parser *imap_parser_new(struct stream *io, const struct imap_limits *limits)
{
	struct imap_parser *p = mem_new(struct imap_parser);

	p->io = io;
	p->limits = *limits;
	p->problem = "";
	p->line_done = true;
	return p;
}

/* They may be passwords: nothing of them stays in memory. */
static void forget_pieces(struct imap_parser *p)
{
	for (size_t i = 0; i < p->piece_count; i++) {
		mem_wipe(p->pieces[i], strlen(p->pieces[i]));
		free(p->pieces[i]);
	}
	free(p->pieces);
	p->pieces = NULL;
	p->piece_count = 0;
	p->taken = 0;
}

static void forget_line(struct imap_parser *p)
{
	if (p->line.len > 0)
		mem_wipe(p->line.data, p->line.len);
	str_clear(&p->line);
	p->at = 0;
}

void imap_parser_free(struct imap_parser *p)
{
	if (p == NULL)
		return;
	forget_pieces(p);
	forget_line(p);
	str_free(&p->line);
	str_free(&p->tag);
	str_free(&p->name);
	free(p);
}

void imap_parser_freep(struct imap_parser **p)
{
	imap_parser_free(*p);
}

const char *imap_parser_problem(const struct imap_parser *p)
{
	return p->problem;
}

int imap_syntax_error(struct imap_parser *p, const char *problem)
{
	p->problem = problem;
	return -EBADMSG;
}

static int too_large(struct imap_parser *p, const char *problem)
{
	p->problem = problem;
	return -EMSGSIZE;
}

static struct view left(const struct imap_parser *p)
{
	return view_from(str_view(&p->line), p->at);
}

/* The bytes that are kept until the next command; lines and literals were counted when they came. */
static int parser_keep(struct imap_parser *p, struct view bytes, struct view *kept)
{
	if (p->piece_count == PIECES_MAX)
		return too_large(p, "Command too large");
	array_grow(p->pieces, p->piece_count);
	p->pieces[p->piece_count] = mem_strndup(bytes.data, bytes.len);
	*kept = view_make(p->pieces[p->piece_count++], bytes.len);
	return 0;
}

/* Reads the line that follows: the command's first, or what comes after a literal. */
static int command_next_line(struct imap_parser *p)
{
	struct view line;
	int r = stream_read_line(p->io, &line, p->limits.line);

	forget_line(p);
	if (r < 0 && r != -EMSGSIZE)
		return r;
	str_append(&p->line, line);
	p->line_done = r < 0;
	if (r < 0)
		return too_large(p, "Line too long");
	p->taken += line.len;
	if (p->taken > p->limits.command)
		return too_large(p, "Command too large");
	if (view_find_byte(line, '\0') != VIEW_NOT_FOUND)
		return imap_syntax_error(p, "NUL is not allowed");
	return 0;
}

/* ---- a command from begin to end ---- */

/* False if the line does not begin with one. */
static bool take_tag(struct imap_parser *p)
{
	struct view line = left(p);
	size_t len = 0;

	while (len < line.len && imap_is_tag_char(line.data[len]))
		len++;
	if (len == 0 || len > IMAP_TAG_MAX)
		return false;
	str_append(&p->tag, view_first(line, len));
	p->at = len;
	return true;
}

static bool take_name(struct imap_parser *p)
{
	struct view word;

	if (imap_space(p) < 0 || imap_atom(p, &word) < 0)
		return false;
	for (size_t i = 0; i < word.len; i++)
		str_append_byte(&p->name, ascii_upper(word.data[i]));
	return true;
}

int imap_command_begin(struct imap_parser *p)
{
	bool has_tag;
	int r;

	forget_pieces(p);
	str_clear(&p->tag);
	str_clear(&p->name);
	p->literals = 0;
	p->problem = "";
	r = command_next_line(p);
	/* A line that is refused as a whole is answered with its tag, too, and has a name perhaps. */
	has_tag = take_tag(p);
	if (r < 0) {
		const char *problem = p->problem;

		take_name(p);
		p->problem = problem;
		return r;
	}
	if (!has_tag)
		return imap_syntax_error(p, "Invalid tag");
	return take_name(p) ? 0 : imap_syntax_error(p, "Missing command");
}

void imap_command_resume(struct imap_parser *p, struct view tag)
{
	str_set(&p->tag, tag);
	p->line_done = true;
}

struct view imap_command_tag(const struct imap_parser *p)
{
	return str_view(&p->tag);
}

struct view imap_command_name(const struct imap_parser *p)
{
	return str_view(&p->name);
}

/*
 * The literal that the rest of the line ends in, if there is one: "{12}" or "{12+}". False if the
 * line just ends. *valid: the number can be used.
 */
static bool trailing_literal(struct view rest, uint64_t *size, bool *plus, bool *valid)
{
	size_t open = view_find_last_byte(rest, '{');
	struct view digits;

	if (open == VIEW_NOT_FOUND || rest.data[rest.len - 1] != '}')
		return false;
	digits = view_make(rest.data + open + 1, rest.len - open - 2);
	*plus = digits.len > 0 && digits.data[digits.len - 1] == '+';
	if (*plus)
		digits.len--;
	*valid = view_parse_u64(digits, UINT64_MAX, size) == 0;
	return true;
}

static int skip_bytes(struct imap_parser *p, uint64_t size)
{
	while (size > 0) {
		struct view bytes;
		int r = stream_peek(p->io, &bytes);

		if (r < 0)
			return r;
		bytes = view_first(bytes, size < SIZE_MAX ? (size_t)size : SIZE_MAX);
		stream_consume(p->io, bytes.len);
		size -= bytes.len;
	}
	return 0;
}

/* A line that is only to be skipped: whatever is wrong with it, but the stream. */
static int next_skipped_line(struct imap_parser *p)
{
	int r = command_next_line(p);

	return r == -EMSGSIZE || r == -EBADMSG ? 0 : r;
}

int imap_command_skip(struct imap_parser *p)
{
	int r = skip_bytes(p, p->streaming);

	p->streaming = 0;
	if (r == 0 && p->in_literal)
		r = next_skipped_line(p);
	p->in_literal = false;
	while (r == 0 && !p->line_done) {
		uint64_t size = 0;
		bool plus = false, valid = false;

		p->line_done = true;
		if (!trailing_literal(left(p), &size, &plus, &valid) || !valid || !plus)
			break; /* a synchronizing literal that nobody asked for is not coming */
		r = skip_bytes(p, size);
		if (r == 0)
			r = next_skipped_line(p);
	}
	p->line_done = true;
	forget_line(p);
	return r;
}

int imap_parser_line(struct imap_parser *p, struct view *line)
{
	int r = stream_read_line(p->io, line, p->limits.line);

	if (r == -EMSGSIZE)
		return too_large(p, "Line too long");
	return r;
}

/* ---- single characters ---- */

/* Blanks that clients write too many of: after another, after "(", before ")" and at the end. */
static void parser_skip_blanks(struct imap_parser *p)
{
	struct view rest = left(p);
	size_t len = 0;

	while (len < rest.len && rest.data[len] == ' ')
		len++;
	p->at += len;
}

int imap_space(struct imap_parser *p)
{
	if (!imap_take(p, ' '))
		return imap_syntax_error(p, "Missing space");
	return 0;
}

bool imap_at_end(struct imap_parser *p)
{
	if (!p->in_literal && view_trim(left(p)).len == 0)
		parser_skip_blanks(p);
	return !p->in_literal && left(p).len == 0;
}

int imap_end(struct imap_parser *p)
{
	if (!imap_at_end(p))
		return imap_syntax_error(p, "Too many arguments");
	p->line_done = true;
	return 0;
}

char imap_peek(struct imap_parser *p)
{
	struct view rest = left(p);

	return rest.len > 0 ? rest.data[0] : '\0';
}

bool imap_take(struct imap_parser *p, char byte)
{
	if (byte == ')' && view_starts(view_trim(left(p)), VIEW(")")))
		parser_skip_blanks(p);
	if (left(p).len == 0 || imap_peek(p) != byte)
		return false;
	p->at++;
	if (byte == ' ' || byte == '(')
		parser_skip_blanks(p);
	/* A blank that nothing follows separates nothing. */
	return byte != ' ' || (left(p).len > 0 && imap_peek(p) != ')');
}

bool imap_take_text(struct imap_parser *p, const char *text)
{
	if (!view_starts_nocase(left(p), view_of(text)))
		return false;
	p->at += strlen(text);
	return true;
}

/* ---- words and strings ---- */

static int word(struct imap_parser *p, bool (*is_char)(char), const char *problem, struct view *out)
{
	struct view rest = left(p);
	size_t len = 0;

	while (len < rest.len && is_char(rest.data[len]))
		len++;
	if (len == 0)
		return imap_syntax_error(p, problem);
	p->at += len;
	return parser_keep(p, view_first(rest, len), out);
}

int imap_atom(struct imap_parser *p, struct view *atom)
{
	return word(p, imap_is_atom_char, "Expected an atom", atom);
}

static int quoted(struct imap_parser *p, struct view *text)
{
	_cleanup_(str_free) struct str unquoted = STR_EMPTY;
	struct view rest = left(p);
	size_t i = 1;

	for (; i < rest.len && rest.data[i] != '"'; i++) {
		if (rest.data[i] == '\\') {
			i++;
			if (i == rest.len || (rest.data[i] != '"' && rest.data[i] != '\\'))
				return imap_syntax_error(p, "Invalid quoted string");
		}
		if (rest.data[i] == '\0' || rest.data[i] == '\r')
			return imap_syntax_error(p, "Invalid character in a quoted string");
		str_append_byte(&unquoted, rest.data[i]);
	}
	if (i >= rest.len)
		return imap_syntax_error(p, "Unterminated quoted string");
	p->at += i + 1;
	return parser_keep(p, str_view(&unquoted), text);
}

/* RFC 7888: non-synchronizing literals above 4096 bytes only where LITERAL+ was announced. */
#define LITERAL_MINUS_MAX 4096

int imap_literal_begin(struct imap_parser *p, uint64_t max, uint64_t *size)
{
	struct view rest = left(p);
	bool plus = false, valid = false;
	int r = 0;

	/* "~{n}": literal8 (RFC 3516), in which a NUL may be. */
	if (rest.len > 1 && rest.data[0] == '~' && rest.data[1] == '{') {
		imap_take(p, '~');
		rest = left(p);
	}
	if (imap_peek(p) != '{')
		return imap_syntax_error(p, "Expected a literal");
	if (!trailing_literal(rest, size, &plus, &valid) || !valid ||
	    view_find_last_byte(rest, '{') != 0)
		return imap_syntax_error(p, "Invalid literal");
	if (++p->literals > IMAP_LITERALS_MAX)
		return imap_syntax_error(p, "Too many literals");
	p->at = p->line.len;
	p->line_done = true; /* until the bytes and the next line are read */
	if (*size > max || (plus && !p->limits.literal_plus && *size > LITERAL_MINUS_MAX)) {
		/*
		 * What comes unasked must be read past, from whoever has logged in; a waiting client is told
		 * by BAD or NO alone.
		 */
		if (plus && p->limits.literal_plus) {
			r = skip_bytes(p, *size);
			if (r == 0)
				r = next_skipped_line(p);
		}
		return r < 0 ? r : too_large(p, "Literal too large");
	}
	if (!plus) {
		r = stream_write(p->io, VIEW("+ OK\r\n"));
		if (r == 0)
			r = stream_flush(p->io);
	}
	if (r < 0)
		return r;
	p->streaming = *size;
	p->in_literal = true;
	return 0;
}

int imap_literal_read(struct imap_parser *p, struct view *piece)
{
	int r;

	if (p->streaming == 0) {
		p->in_literal = false;
		return command_next_line(p);
	}
	r = stream_peek(p->io, piece);
	if (r < 0)
		return r;
	*piece = view_first(*piece, p->streaming < SIZE_MAX ? (size_t)p->streaming : SIZE_MAX);
	/* The bytes stay where they are until the stream reads again. */
	stream_consume(p->io, piece->len);
	p->streaming -= piece->len;
	return 1;
}

/* A literal that is kept, as strings of commands are. */
static int stored_literal(struct imap_parser *p, struct view *text)
{
	_cleanup_(str_free) struct str bytes = STR_EMPTY;
	struct view piece;
	uint64_t size;
	int r = imap_literal_begin(p, p->limits.command - MIN(p->taken, p->limits.command), &size);

	if (r < 0)
		return r;
	p->taken += (size_t)size;
	while ((r = imap_literal_read(p, &piece)) > 0)
		str_append(&bytes, piece);
	if (r < 0)
		return r;
	if (view_find_byte(str_view(&bytes), '\0') != VIEW_NOT_FOUND)
		return imap_syntax_error(p, "NUL is not allowed");
	return parser_keep(p, str_view(&bytes), text);
}

int imap_string(struct imap_parser *p, struct view *text)
{
	switch (imap_peek(p)) {
	case '"':
		return quoted(p, text);
	case '{':
		return stored_literal(p, text);
	default:
		return imap_syntax_error(p, "Expected a string");
	}
}

int imap_astring(struct imap_parser *p, struct view *text)
{
	if (imap_peek(p) == '"' || imap_peek(p) == '{')
		return imap_string(p, text);
	return word(p, imap_is_astring_char, "Expected a string", text);
}

int imap_list_mailbox(struct imap_parser *p, struct view *pattern)
{
	if (imap_peek(p) == '"' || imap_peek(p) == '{')
		return imap_string(p, pattern);
	return word(p, imap_is_list_char, "Expected a mailbox pattern", pattern);
}

int imap_skip_id(struct imap_parser *p)
{
	uint64_t total = 0, size;
	struct view piece;

	while (!p->line_done && left(p).len > 0) {
		size_t open = view_find_last_byte(left(p), '{');
		int r;

		if (open == VIEW_NOT_FOUND || left(p).data[left(p).len - 1] != '}')
			break;
		p->at += open;
		r = imap_literal_begin(p, IMAP_ID_MAX - total, &size);
		while (r >= 0 && (r = imap_literal_read(p, &piece)) > 0)
			;
		if (r < 0)
			return r;
		total += size;
	}
	p->at = p->line.len;
	return imap_end(p);
}

int imap_number(struct imap_parser *p, uint64_t max, uint64_t *number)
{
	struct view rest = left(p);
	size_t len = 0;

	while (len < rest.len && ascii_is_digit(rest.data[len]))
		len++;
	if (view_parse_u64(view_first(rest, len), max, number) < 0)
		return imap_syntax_error(p, len == 0 ? "Expected a number" : "Number too large");
	p->at += len;
	return 0;
}

int imap_sequence_set(struct imap_parser *p, struct imap_set *set)
{
	struct view rest = left(p);
	size_t len = 0;
	int r;

	*set = (struct imap_set){ NULL, 0, imap_take(p, '$') };
	if (set->saved)
		return 0;
	while (len < rest.len && (ascii_is_digit(rest.data[len]) || strchr("*:,", rest.data[len])))
		len++;
	r = imap_set_parse(view_first(rest, len), set);
	if (r < 0)
		return imap_syntax_error(p, r == -E2BIG ? "Too many elements in a sequence set"
							: "Invalid sequence set");
	p->at += len;
	return 0;
}
