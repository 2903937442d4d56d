/*
 * A table's text and an alias list as words, with their lines. What a word means is not known
 * here.
 */
#include "table/tokens.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* One piece while it is read. */
struct piece {
	struct str *text;
	bool was_quoted;   /* the text so far is all from quotes */
	bool after_quoted; /* something followed the quotes */
	bool gap;	   /* white space came since the last byte of the text */
	bool in_angle, had_angle;
	const char *problem;
};

static void piece_append(struct piece *p, char c, bool quoted)
{
	p->gap = false;
	if (!quoted && p->was_quoted)
		p->after_quoted = true;
	if (p->text->len >= TOKEN_TEXT_MAX)
		p->problem = "a piece is too long";
	else if (c == '\0' || ((unsigned char)c < 32 && c != '\t') || c == 127)
		p->problem = "a piece has a control character";
	else
		str_append_byte(p->text, c);
}

/*
 * White space came after a word. "Carol Smith <carol@...>": a bracket before the comma or line end
 * tells that the words are a name. Else each is a piece of its own, as in "alice bob". No name is
 * longer than a piece may be, so nobody looks further.
 */
static bool is_display_name(struct view source, size_t at)
{
	size_t end = MIN(source.len, at + TOKEN_TEXT_MAX);
	bool quoted = false;

	for (; at < end; at++) {
		char c = source.data[at];

		if (c == '\n' || (!quoted && c == ','))
			return false;
		if (c == '\\')
			at++;
		else if (c == '"')
			quoted = !quoted;
		else if (c == '<' && !quoted)
			return true;
	}
	return false;
}

/* The word at `at` belongs to what came before the white space in front of it. */
static bool word_goes_on(struct view source, size_t at, const struct piece *p)
{
	struct view text = str_view(p->text);

	if (p->had_angle)
		return false;
	if (text.len == 0 || p->in_angle || source.data[at] == '@' || view_ends(text, VIEW("@")))
		return true;
	if (!p->was_quoted && (view_is_nocase(text, ":include:") || view_is(text, "\\")))
		return true;
	return is_display_name(source, at);
}

/* From after the opening quote to after the closing one. */
static size_t read_quoted(struct view source, size_t at, struct piece *p)
{
	if (p->text->len == 0)
		p->was_quoted = true;
	for (; at < source.len; at++) {
		char c = source.data[at];

		if (c == '"')
			return at + 1;
		if (c == '\n' || c == '\r')
			break;
		if (c == '\\' && at + 1 < source.len && source.data[at + 1] != '\n')
			c = source.data[++at];
		piece_append(p, c, true);
	}
	p->problem = "a quote without its end";
	return at;
}

/* From after the opening parenthesis to after the one that closes it. */
static size_t token_skip_comment(struct view source, size_t at, struct piece *p)
{
	size_t depth = 1;

	for (; at < source.len; at++) {
		char c = source.data[at];

		if (c == '\\')
			at++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			return at + 1;
	}
	p->problem = "a comment without its end";
	return source.len;
}

/* A command that is not in quotes as a whole: to the comma or line end; quotes in it are taken off. */
static size_t token_read_command(struct view source, size_t at, struct piece *p)
{
	while (at < source.len && source.data[at] != ',' && source.data[at] != '\n' &&
	       source.data[at] != '\r') {
		if (source.data[at] == '"')
			at = read_quoted(source, at + 1, p);
		else
			piece_append(p, source.data[at++], false);
	}
	return at;
}

static size_t read_bracket(size_t at, char c, struct piece *p)
{
	if (c == '<' && !p->in_angle && !p->had_angle) {
		/* What came before was a name for people. */
		str_clear(p->text);
		p->was_quoted = p->after_quoted = p->gap = false;
		p->in_angle = true;
	} else if (c == '>' && p->in_angle) {
		p->in_angle = false;
		p->had_angle = true;
	} else {
		p->problem = "unbalanced <>";
	}
	return at + 1;
}

/* Reads to the comma, line end or white space that ends the piece. */
static size_t read_piece(struct view source, size_t at, struct piece *p)
{
	while (at < source.len) {
		char c = source.data[at];

		if (c == ',' || c == '\n')
			break;
		if (c == ' ' || c == '\t' || c == '\r') {
			p->gap = true;
			at++;
		} else if (c == '(') {
			at = token_skip_comment(source, at + 1, p);
		} else if (p->gap && !word_goes_on(source, at, p)) {
			break;
		} else if (c == '"') {
			at = read_quoted(source, at + 1, p);
		} else if (c == '<' || c == '>') {
			at = read_bracket(at, c, p);
		} else if (c == '|' && p->text->len == 0 && !p->was_quoted) {
			at = token_read_command(source, at, p);
		} else {
			if (p->had_angle)
				p->problem = "text after <address>";
			if (c == '\\' && p->text->len > 0 && at + 1 < source.len &&
			    source.data[at + 1] != '\n')
				c = source.data[++at];
			piece_append(p, c, false);
			at++;
		}
	}
	if (p->in_angle)
		p->problem = "unbalanced <>";
	return at;
}

static void drop_front(struct str *text, size_t len)
{
	str_consume(text, len);

	struct view rest = view_trim(str_view(text));

	str_consume(text, (size_t)(rest.data - text->data));
	str_truncate(text, rest.len);
}

/* What the text means by how it begins. 0 or -EINVAL. */
static int classify(const struct piece *p, enum token_kind *kind, struct error *err)
{
	struct view text = str_view(p->text);
	/* "|x"@example.org is an address with an odd local part. */
	bool plain = !p->had_angle && !(p->was_quoted && p->after_quoted);

	*kind = TOKEN_ADDRESS;
	if (plain && text.data[0] == '|') {
		*kind = TOKEN_COMMAND;
		drop_front(p->text, 1);
	} else if (plain && text.data[0] == '/') {
		*kind = TOKEN_FILE;
	} else if (plain && view_starts_nocase(text, VIEW(":include:"))) {
		*kind = TOKEN_INCLUDE;
		drop_front(p->text, strlen(":include:"));
		if (p->text->len == 0 || p->text->data[0] != '/')
			return error_set(err, -EINVAL, ":include: needs an absolute path");
	} else if (plain && text.data[0] == ':') {
		return error_set(err, -EINVAL, "\"%.*s\": the only word of this kind is :include:",
				 VIEW_ARG(text));
	} else {
		if (text.data[0] == '\\' && !p->had_angle) {
			*kind = TOKEN_MAILBOX;
			drop_front(p->text, 1);
		}
	}
	if (p->text->len == 0)
		return error_set(err, -EINVAL, "a piece without content");
	return 0;
}

/*
 * White space, empty pieces and comments: from '#' at the beginning of a line, or after white space,
 * to the line's end. `source` is always at the beginning of a piece or at what ended the last one.
 */
static size_t skip_to_piece(struct view source)
{
	size_t at = 0;
	bool may_comment = true;

	for (; at < source.len; at++) {
		char c = source.data[at];

		if (c == '#' && may_comment) {
			while (at + 1 < source.len && source.data[at + 1] != '\n')
				at++;
		} else if (c == '\n' || c == ' ' || c == '\t' || c == '\r') {
			may_comment = true;
		} else if (c == ',') {
			may_comment = false;
		} else {
			break;
		}
	}
	return at;
}

int token_next(struct view *rest, struct str *text, enum token_kind *kind, struct error *err)
{
	for (;;) {
		struct piece p = { .text = text };
		size_t at;

		*rest = view_from(*rest, skip_to_piece(*rest));
		str_clear(text);
		if (rest->len == 0)
			return 0;
		at = read_piece(*rest, 0, &p);
		/* The separator stays: a line end in front is what makes a comment possible. */
		*rest = view_from(*rest, at);
		if (p.problem != NULL)
			return error_set(err, -EINVAL, "%s", p.problem);
		if (text->len > 0) {
			int r = classify(&p, kind, err);

			return r < 0 ? r : 1;
		}
		if (p.was_quoted || p.had_angle)
			return error_set(err, -EINVAL, "an empty address");
		/* Only a comment: on to the next. */
	}
}

int token_source_read(int fd, struct str *text, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, "stat");
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "not a regular file");
	for (off_t done = 0;;) {
		char *at = str_reserve(text, 16384);
		ssize_t n = pread(fd, at, 16384, done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "read");
		if (n == 0)
			return 0;
		done += n;
		if ((size_t)done > TOKEN_SOURCE_MAX)
			return error_set(err, -EFBIG, "larger than %zu bytes", TOKEN_SOURCE_MAX);
		str_grow(text, (size_t)n);
	}
}

bool token_stands_in(struct view source, enum token_kind kind, struct view wanted)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	enum token_kind found;
	int r;

	while ((r = token_next(&source, &text, &found, NULL)) != 0)
		if (r == 1 && found == kind && view_eq(str_view(&text), wanted))
			return true;
	return false;
}

bool token_list_has(const char *list, const char *word)
{
	struct view rest = view_of(list), one;

	while (view_next_word(&rest, ", \t\r\n", &one))
		if (view_is_nocase(one, word))
			return true;
	return false;
}
