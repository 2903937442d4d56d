/*
 * Reads the values of an IMAP server's responses from a stream. It believes no length and no nesting; what the
 * values mean is the caller's matter.
 */
#include "imap/response.h"

#include <errno.h>

#include "base/mem.h"

struct imap_response {
	struct stream *io;
	struct str line; /* the present line of the response, without its end */
	size_t at;
	struct str quoted; /* of imap_response_pieces, where it is no literal */
	uint64_t coming;   /* bytes of a literal that are still to come */
	bool in_literal;   /* one was begun, and the line after it was not read yet */
	bool in_quoted;	   /* there is a piece in `quoted` */
	bool is_text;	   /* the line is text to its end: no literal is announced there */
};

struct imap_response *imap_response_new(struct stream *io)
{
	struct imap_response *p = mem_new(struct imap_response);

	p->io = io;
	return p;
}

void imap_response_free(struct imap_response *p)
{
	if (p == NULL)
		return;
	str_free(&p->line);
	str_free(&p->quoted);
	free(p);
}

void imap_response_freep(struct imap_response **p)
{
	imap_response_free(*p);
}

static struct view response_left(const struct imap_response *p)
{
	return view_from(str_view(&p->line), p->at);
}

static int response_next_line(struct imap_response *p)
{
	struct view line;
	int r = stream_read_line(p->io, &line, IMAP_RESPONSE_LINE_MAX);

	if (r < 0)
		return r;
	if (view_find_byte(line, '\0') != VIEW_NOT_FOUND)
		return -EBADMSG;
	str_set(&p->line, line);
	p->at = 0;
	return 0;
}

/* ---- a response from begin to end ---- */

static bool response_word(struct imap_response *p, struct view *word)
{
	struct view rest = response_left(p);
	size_t len = 0;

	while (len < rest.len && rest.data[len] != ' ')
		len++;
	*word = view_first(rest, len);
	p->at += len;
	while (p->at < p->line.len && p->line.data[p->at] == ' ')
		p->at++;
	return len > 0;
}

static int response_name(char name[IMAP_RESPONSE_NAME_MAX + 1], struct view word)
{
	if (word.len > IMAP_RESPONSE_NAME_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < word.len; i++)
		name[i] = ascii_upper(word.data[i]);
	name[word.len] = '\0';
	return 0;
}

/* What ends in text for people (RFC 9051 7.1). */
static bool answer_has_text(const char *name)
{
	static const char *const names[] = { "OK", "NO", "BAD", "BYE", "PREAUTH" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

int imap_response_begin(struct imap_response *p, struct imap_answer *answer)
{
	struct view tag, word;
	int r = response_next_line(p);

	*answer = (struct imap_answer){ 0 };
	p->coming = 0;
	p->in_literal = p->in_quoted = false;
	p->is_text = true;
	if (r < 0)
		return r;
	if (!response_word(p, &tag))
		return -EBADMSG;
	if (view_is(tag, "+")) {
		answer->kind = IMAP_CONTINUATION;
		return 0;
	}
	if (!response_word(p, &word))
		return -EBADMSG;
	if (view_is(tag, "*") && view_parse_u32(word, UINT32_MAX, &answer->number) == 0) {
		answer->has_number = true;
		if (!response_word(p, &word))
			return -EBADMSG;
	}
	answer->kind = view_is(tag, "*") ? IMAP_UNTAGGED : IMAP_TAGGED;
	r = response_name(answer->tag, tag);
	if (r == 0)
		r = response_name(answer->name, word);
	p->is_text = answer->kind == IMAP_TAGGED || answer_has_text(answer->name);
	return r;
}

struct view imap_response_text(const struct imap_response *p)
{
	return response_left(p);
}

static int response_skip_bytes(struct imap_response *p)
{
	if (p->coming > IMAP_RESPONSE_SKIPPED_MAX)
		return -EMSGSIZE;
	while (p->coming > 0) {
		struct view piece;
		int r = imap_response_piece(p, &piece);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The literal that a line ends in: "{12}". */
static bool response_trailing_literal(struct view rest, uint64_t *size)
{
	size_t open = view_find_last_byte(rest, '{');

	return open != VIEW_NOT_FOUND && rest.data[rest.len - 1] == '}' &&
	       view_parse_u64(view_make(rest.data + open + 1, rest.len - open - 2), UINT64_MAX,
			      size) == 0;
}

int imap_response_end(struct imap_response *p)
{
	int r = 0;

	for (;;) {
		if (p->in_literal) {
			r = response_skip_bytes(p);
			if (r == 0)
				r = response_next_line(p);
			p->in_literal = false;
		}
		if (r < 0 || p->is_text || !response_trailing_literal(response_left(p), &p->coming))
			return r;
		p->in_literal = true;
	}
}

/* ---- values ---- */

static char response_peek(struct imap_response *p)
{
	while (p->at < p->line.len && p->line.data[p->at] == ' ')
		p->at++;
	return p->at < p->line.len ? p->line.data[p->at] : '\0';
}

bool imap_response_take(struct imap_response *p, char byte)
{
	if (p->at >= p->line.len || response_peek(p) != byte)
		return false;
	p->at++;
	return true;
}

bool imap_response_has_more(struct imap_response *p)
{
	return response_peek(p) != '\0';
}

int imap_response_item(struct imap_response *p, struct view *item)
{
	bool in_brackets = false;
	struct view rest;
	size_t len = 0;

	(void)response_peek(p);
	rest = response_left(p);
	for (; len < rest.len; len++) {
		char c = rest.data[len];

		if (c == '[')
			in_brackets = true;
		else if (c == ']')
			in_brackets = false;
		else if (c == '"' || c == '{' || (!in_brackets && strchr(" ()", c) != NULL))
			break;
	}
	if (len == 0 || in_brackets)
		return -EBADMSG;
	*item = view_first(rest, len);
	p->at += len;
	return 0;
}

int imap_response_number(struct imap_response *p, uint64_t max, uint64_t *number)
{
	struct view word;
	int r = imap_response_item(p, &word);

	if (r < 0)
		return r;
	return view_parse_u64(word, max, number) < 0 ? -EBADMSG : 0;
}

static int response_quoted(struct imap_response *p, uint64_t max, struct str *text)
{
	struct view rest = response_left(p);
	size_t i = 1;

	for (; i < rest.len && rest.data[i] != '"'; i++) {
		if (rest.data[i] == '\\' && ++i == rest.len)
			return -EBADMSG;
		if (text->len == max)
			return -EMSGSIZE;
		str_append_byte(text, rest.data[i]);
	}
	if (i >= rest.len)
		return -EBADMSG;
	p->at += i + 1;
	return 0;
}

/* "{12}" or "~{12}" at this place, which the line must end with. */
static int response_literal(struct imap_response *p, uint64_t max)
{
	struct view rest;

	(void)imap_response_take(p, '~');
	rest = response_left(p);
	if (rest.len < 3 || rest.data[0] != '{' || view_find_last_byte(rest, '{') != 0 ||
	    !response_trailing_literal(rest, &p->coming))
		return -EBADMSG;
	p->at = p->line.len;
	p->in_literal = true;
	return p->coming > max ? -EMSGSIZE : 0;
}

int imap_response_pieces(struct imap_response *p, uint64_t max, bool *is_nil)
{
	struct view word;
	int r;

	*is_nil = false;
	str_clear(&p->quoted);
	switch (response_peek(p)) {
	case '"':
		p->in_quoted = true;
		return response_quoted(p, max, &p->quoted);
	case '{':
	case '~':
		return response_literal(p, max);
	default:
		r = imap_response_item(p, &word);
		if (r == 0 && !view_is_nocase(word, "NIL"))
			r = -EBADMSG;
		*is_nil = r == 0;
		return r;
	}
}

int imap_response_piece(struct imap_response *p, struct view *piece)
{
	int r;

	if (p->in_quoted) {
		p->in_quoted = false;
		*piece = str_view(&p->quoted);
		return 1;
	}
	if (!p->in_literal)
		return 0;
	if (p->coming == 0) {
		p->in_literal = false;
		return response_next_line(p);
	}
	r = stream_peek(p->io, piece);
	if (r < 0)
		return r;
	*piece = view_first(*piece, (size_t)MIN(p->coming, (uint64_t)STREAM_BUFFER_SIZE));
	/* The bytes stay where they are until the stream reads again. */
	stream_consume(p->io, piece->len);
	p->coming -= piece->len;
	return 1;
}

int imap_response_string(struct imap_response *p, size_t max, struct str *text, bool *is_nil)
{
	char first = response_peek(p);
	struct view piece;
	bool nil = false;
	int r;

	str_clear(text);
	if (is_nil != NULL)
		*is_nil = false;
	if (first != '"' && first != '{' && first != '~') {
		r = imap_response_item(p, &piece);
		if (r == 0 && piece.len > max)
			r = -EMSGSIZE;
		if (r == 0 && is_nil != NULL && view_is_nocase(piece, "NIL"))
			*is_nil = true;
		else if (r == 0)
			str_append(text, piece);
		return r;
	}
	r = imap_response_pieces(p, max, &nil);
	while (r == 0 && (r = imap_response_piece(p, &piece)) > 0) {
		str_append(text, piece);
		r = 0;
	}
	return r;
}

static int response_skip_one(struct imap_response *p)
{
	struct view word;
	bool nil;
	int r;

	switch (response_peek(p)) {
	case '"':
	case '{':
	case '~':
		r = imap_response_pieces(p, IMAP_RESPONSE_SKIPPED_MAX, &nil);
		while (r == 0 && (r = imap_response_piece(p, &word)) > 0)
			r = 0;
		return r;
	default:
		return imap_response_item(p, &word);
	}
}

int imap_response_skip(struct imap_response *p)
{
	unsigned depth = 0;
	int r = 0;

	do {
		if (imap_response_take(p, '(')) {
			if (++depth > IMAP_RESPONSE_DEPTH_MAX)
				return -EMSGSIZE;
		} else if (depth > 0 && imap_response_take(p, ')')) {
			depth--;
		} else {
			r = response_skip_one(p);
		}
	} while (r == 0 && depth > 0);
	return r;
}
