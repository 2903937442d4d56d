/* Reads and writes the words of ManageSieve. What was a string, is one again when it is written. */
#include "parser.h"

#include <errno.h>

#include "base/mem.h"

#define NUMBER_MAX UINT32_MAX /* RFC 5804 has 32 bits */

static int managesieve_wrong(struct managesieve_parser *p, const char *problem)
{
	p->problem = problem;
	return -EBADMSG;
}

static int managesieve_too_large(struct managesieve_parser *p, const char *problem)
{
	p->problem = problem;
	return -EMSGSIZE;
}

static struct view managesieve_rest(const struct managesieve_parser *p)
{
	return view_from(str_view(&p->line), p->at);
}

void managesieve_parser_end(struct managesieve_parser *p)
{
	str_wipe(&p->line);
}

/* The command's first line, or what comes after a literal. */
static int managesieve_next_line(struct managesieve_parser *p)
{
	struct view line;
	int r = stream_read_line(p->io, &line, MANAGESIEVE_LINE_MAX);

	str_wipe(&p->line);
	p->at = 0;
	p->name = VIEW_NONE;
	/* What follows it may be a literal's bytes, which nobody must take for commands. */
	if (r == -EMSGSIZE)
		return managesieve_too_large(p, "Line too long.");
	if (r < 0)
		return r;
	str_append(&p->line, line);
	return view_find_byte(line, '\0') != VIEW_NOT_FOUND
		       ? managesieve_wrong(p, "NUL is not allowed.")
		       : 0;
}

int managesieve_begin(struct managesieve_parser *p)
{
	int r = managesieve_next_line(p);
	struct view line = str_view(&p->line);

	if (r < 0)
		return r;
	p->at = MIN(view_find_byte(line, ' '), line.len);
	p->name = view_first(line, p->at);
	return 0;
}

bool managesieve_at_end(const struct managesieve_parser *p)
{
	return p->at == p->line.len;
}

int managesieve_end(struct managesieve_parser *p)
{
	return managesieve_at_end(p) ? 0 : managesieve_wrong(p, "Too many arguments.");
}

static int managesieve_space(struct managesieve_parser *p)
{
	struct view rest = managesieve_rest(p);

	if (rest.len == 0 || rest.data[0] != ' ')
		return managesieve_wrong(p, "Another argument is needed.");
	p->at++;
	return 0;
}

/* ---- strings ---- */

/* "{123+}" at the end of the line. False: the line ends otherwise. */
static bool literal_size(struct view line, uint64_t *size)
{
	size_t at = view_find_last_byte(line, '{');
	struct view digits;

	if (!view_ends(line, VIEW("+}")) || at == VIEW_NOT_FOUND)
		return false;
	digits = view_from(view_first(line, line.len - 2), at + 1);
	return view_parse_u64(digits, NUMBER_MAX, size) == 0;
}

static int literal_skip(struct managesieve_parser *p, uint64_t size)
{
	struct view bytes;
	int r = 0;

	if (size > MANAGESIEVE_SKIP_MAX)
		return managesieve_too_large(p, "Literal too large.");
	while (size > 0 && (r = stream_peek(p->io, &bytes)) >= 0) {
		size_t len = MIN(bytes.len, size);

		stream_consume(p->io, len);
		size -= len;
	}
	return r < 0 ? r : managesieve_next_line(p);
}

static int literal_take(struct managesieve_parser *p, size_t max, struct str *text)
{
	uint64_t size;
	int r;

	if (!literal_size(managesieve_rest(p), &size) ||
	    view_find_last_byte(managesieve_rest(p), '{') != 0)
		return managesieve_wrong(p, "A literal is {number+} at the end of the line.");
	if (size > max) {
		r = literal_skip(p, size);
		if (r < 0)
			return r;
		p->problem = "The string is too large.";
		return -EFBIG;
	}
	r = stream_read_exact(p->io, str_reserve(text, (size_t)size + 1), (size_t)size);
	if (r < 0)
		return r;
	str_grow(text, (size_t)size);
	r = managesieve_next_line(p);
	if (r == 0 && view_find_byte(str_view(text), '\0') != VIEW_NOT_FOUND)
		r = managesieve_wrong(p, "NUL is not allowed.");
	return r;
}

static int quoted_take(struct managesieve_parser *p, size_t max, struct str *text)
{
	struct view rest = managesieve_rest(p);
	size_t i = 1;

	str_reserve(text, rest.len);
	for (; i < rest.len && rest.data[i] != '"'; i++) {
		if (rest.data[i] == '\\' && ++i == rest.len)
			break;
		if (rest.data[i] == '\r')
			return managesieve_wrong(p, "CR is not allowed in quotes.");
		str_append_byte(text, rest.data[i]);
	}
	if (i >= rest.len)
		return managesieve_wrong(p, "A quoted string has no end.");
	p->at += i + 1;
	p->problem = "The string is too large.";
	return text->len > max ? -EFBIG : 0;
}

static int string_take(struct managesieve_parser *p, size_t max, struct str *text)
{
	struct view rest = managesieve_rest(p);

	str_wipe(text);
	if (rest.len > 0 && rest.data[0] == '"')
		return quoted_take(p, max, text);
	if (rest.len > 0 && rest.data[0] == '{')
		return literal_take(p, max, text);
	return managesieve_wrong(p, "A string is needed.");
}

int managesieve_string(struct managesieve_parser *p, size_t max, struct str *text)
{
	int r = managesieve_space(p);

	return r < 0 ? r : string_take(p, max, text);
}

int managesieve_string_line(struct managesieve_parser *p, size_t max, struct str *text)
{
	int r = managesieve_next_line(p);

	if (r == 0)
		r = string_take(p, max, text);
	return r == 0 ? managesieve_end(p) : r;
}

int managesieve_number(struct managesieve_parser *p, uint64_t *number)
{
	struct view digits;
	int r = managesieve_space(p);

	if (r < 0)
		return r;
	digits = managesieve_rest(p);
	digits = view_first(digits, MIN(view_find_byte(digits, ' '), digits.len));
	if (view_parse_u64(digits, NUMBER_MAX, number) < 0)
		return managesieve_wrong(p, "A number is needed.");
	p->at += digits.len;
	return 0;
}

/* A wrong command's literals are not commands: as long as a line ends like one, its bytes follow. */
int managesieve_skip(struct managesieve_parser *p)
{
	uint64_t size;
	int r = 0;

	while (r == 0 && literal_size(managesieve_rest(p), &size)) {
		r = literal_skip(p, size);
		/* NUL in what is passed over is nobody's concern. */
		if (r == -EBADMSG)
			r = 0;
	}
	p->at = p->line.len;
	return r;
}

/* ---- answers ---- */

void managesieve_append_string(struct str *out, struct view text)
{
	bool quoted = text.len <= MANAGESIEVE_QUOTED_MAX;

	for (size_t i = 0; quoted && i < text.len; i++)
		quoted = text.data[i] != '\r' && text.data[i] != '\n' && text.data[i] != '\0';
	if (!quoted) {
		str_printf(out, "{%zu}\r\n", text.len);
		str_append(out, text);
		return;
	}
	str_append_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"' || text.data[i] == '\\')
			str_append_byte(out, '\\');
		str_append_byte(out, text.data[i]);
	}
	str_append_byte(out, '"');
}

int managesieve_answer(struct stream *io, const char *word, const char *code, struct view text)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;

	str_append_cstr(&out, word);
	if (code != NULL)
		str_printf(&out, " (%s)", code);
	if (text.len > 0) {
		str_append_byte(&out, ' ');
		managesieve_append_string(&out, text);
	}
	str_append(&out, VIEW("\r\n"));
	return stream_write(io, str_view(&out));
}

int managesieve_answer_noop(struct stream *io, struct view tag)
{
	_cleanup_(str_free) struct str code = STR_EMPTY;

	if (tag.len > 0) {
		str_append(&code, VIEW("TAG "));
		managesieve_append_string(&code, tag);
	}
	return managesieve_answer(io, "OK", tag.len > 0 ? str_cstr(&code) : NULL, VIEW("Done."));
}
