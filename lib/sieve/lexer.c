/*
 * Tokens of a Sieve script. Knows nothing of commands: a name is a name, whatever it is of.
 */
#include "sieve/lexer.h"

#include "base/mem.h"

void sieve_lexer_begin(struct sieve_lexer *lexer, struct view script)
{
	*lexer = (struct sieve_lexer){ .rest = script, .line = 1, .column = 1 };
}

void sieve_lexer_end(struct sieve_lexer *lexer)
{
	str_free(&lexer->value);
}

static char peek_at(const struct sieve_lexer *lexer, size_t n)
{
	return n < lexer->rest.len ? lexer->rest.data[n] : '\0';
}

static void advance(struct sieve_lexer *lexer, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		/* A character is one column, however many bytes it has. */
		if (lexer->rest.data[i] == '\n') {
			lexer->line++;
			lexer->column = 1;
		} else if (((unsigned char)lexer->rest.data[i] & 0xc0) != 0x80) {
			lexer->column++;
		}
	}
	lexer->rest = view_from(lexer->rest, count);
}

static void token_wrong(struct sieve_lexer *lexer, const char *problem)
{
	lexer->token = TOKEN_WRONG;
	lexer->problem = problem;
}

/* False: a comment without an end. */
static bool lexer_skip_space(struct sieve_lexer *lexer)
{
	for (;;) {
		char c = peek_at(lexer, 0);

		if (lexer->rest.len > 0 && ascii_is_space(c)) {
			advance(lexer, 1);
		} else if (c == '#') {
			advance(lexer, MIN(view_find_byte(lexer->rest, '\n'), lexer->rest.len));
		} else if (c == '/' && peek_at(lexer, 1) == '*') {
			size_t end = view_find(view_from(lexer->rest, 2), VIEW("*/"));

			if (end == VIEW_NOT_FOUND)
				return false;
			advance(lexer, end + 4);
		} else {
			return true;
		}
	}
}

static size_t name_length(const struct sieve_lexer *lexer, size_t from)
{
	size_t n = from;

	if (!ascii_is_alpha(peek_at(lexer, n)) && peek_at(lexer, n) != '_')
		return 0;
	while (ascii_is_alnum(peek_at(lexer, n)) || peek_at(lexer, n) == '_')
		n++;
	return n - from;
}

/* 100, 4K, 2M, 1G. */
static void take_number(struct sieve_lexer *lexer)
{
	static const char suffixes[] = "kmg";
	size_t n = 0;
	uint64_t value = 0;

	for (; ascii_is_digit(peek_at(lexer, n)) && value <= INT32_MAX; n++)
		value = value * 10 + (uint64_t)(peek_at(lexer, n) - '0');
	for (size_t i = 0; i < sizeof(suffixes) - 1; i++)
		if (ascii_lower(peek_at(lexer, n)) == suffixes[i] && value <= INT32_MAX) {
			value <<= 10 * (i + 1);
			n++;
			break;
		}
	lexer->token = TOKEN_NUMBER;
	lexer->number = value;
	/* RFC 5228, 2.4.1: at least up to 2^31 - 1. */
	if (value > (uint64_t)INT32_MAX << 30 || ascii_is_digit(peek_at(lexer, n)))
		token_wrong(lexer, "a number that is too large");
	else if (name_length(lexer, n) > 0)
		token_wrong(lexer, "a number with letters after it");
	else
		advance(lexer, n);
}

static void take_quoted(struct sieve_lexer *lexer)
{
	size_t n = 1;

	str_clear(&lexer->value);
	while (n < lexer->rest.len && lexer->rest.data[n] != '"') {
		if (lexer->rest.data[n] == '\\' && n + 1 < lexer->rest.len)
			n++;
		str_append_byte(&lexer->value, lexer->rest.data[n++]);
	}
	if (n >= lexer->rest.len) {
		token_wrong(lexer, "a string without its closing quote");
		return;
	}
	lexer->token = TOKEN_STRING;
	advance(lexer, n + 1);
}

/* text: lines up to one that is a dot alone; a dot in front of another is taken off. */
static void take_multiline(struct sieve_lexer *lexer)
{
	struct view rest = view_from(lexer->rest, strlen("text:")), line;
	size_t end = view_find_byte(rest, '\n');
	struct view first = view_trim(view_first(rest, end));

	if (end == VIEW_NOT_FOUND || (first.len > 0 && first.data[0] != '#')) {
		token_wrong(lexer, "text: needs its lines after a line end");
		return;
	}
	rest = view_from(rest, end + 1);
	str_clear(&lexer->value);
	while (view_next(&rest, '\n', &line)) {
		struct view bare = line;

		if (bare.len > 0 && bare.data[bare.len - 1] == '\r')
			bare.len--;
		if (view_is(bare, ".")) {
			lexer->token = TOKEN_STRING;
			advance(lexer, (size_t)(bare.data + 1 - lexer->rest.data));
			return;
		}
		if (bare.len > 0 && bare.data[0] == '.')
			bare = view_from(bare, 1);
		str_append(&lexer->value, bare);
		str_append(&lexer->value, VIEW("\r\n"));
	}
	token_wrong(lexer, "text: without the line with a dot alone that ends it");
}

void sieve_lexer_next(struct sieve_lexer *lexer)
{
	size_t length;
	char c;

	if (lexer->token == TOKEN_WRONG)
		return;
	lexer->token = TOKEN_END;
	if (!lexer_skip_space(lexer)) {
		lexer->token_line = lexer->line;
		lexer->token_column = lexer->column;
		token_wrong(lexer, "a comment without its end");
		return;
	}
	lexer->token_line = lexer->line;
	lexer->token_column = lexer->column;
	if (lexer->rest.len == 0)
		return;
	c = peek_at(lexer, 0);
	length = name_length(lexer, c == ':');
	if (ascii_is_digit(c)) {
		take_number(lexer);
	} else if (c == '"') {
		take_quoted(lexer);
	} else if (view_starts_nocase(lexer->rest, VIEW("text:"))) {
		take_multiline(lexer);
	} else if (length > 0) {
		lexer->token = c == ':' ? TOKEN_TAG : TOKEN_IDENTIFIER;
		lexer->text = view_make(lexer->rest.data + (c == ':'), length);
		advance(lexer, length + (c == ':'));
	} else if (c != '\0' && strchr("()[]{},;", c) != NULL) {
		lexer->token = TOKEN_SIGN;
		lexer->sign = c;
		advance(lexer, 1);
	} else {
		token_wrong(lexer, "a character that nothing begins with");
	}
}
