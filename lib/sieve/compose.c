/* Pieces of messages that are written here. What comes from a script stays text. */
#include "sieve/compose.h"

#include "base/encode.h"
#include "base/mem.h"
#include "mail/header.h"
#include "sieve/words.h"

#define LINE_PLAIN_MAX 990 /* bytes of a line that needs no encoding (RFC 5322, 2.1.1) */
#define WORD_BYTES     42  /* of an encoded word (RFC 2047: 75 characters) */
#define BASE64_BYTES   57  /* of a line of 76 characters */

struct view sieve_message_header(const struct sieve_message *message)
{
	struct view rest = message->content;
	struct header_field field;

	while (header_next(&rest, &field) == 1)
		;
	return view_first(message->content, message->content.len - rest.len);
}

struct view sieve_first_characters(struct view text, size_t most)
{
	if (text.len <= most)
		return text;
	while (most > 0 && ((unsigned char)text.data[most] & 0xc0) == 0x80)
		most--;
	return view_first(text, most);
}

void sieve_encode_words(struct str *out, struct view text)
{
	bool is_first = true;

	if (view_is_ascii(text) && view_find(text, VIEW("=?")) == VIEW_NOT_FOUND) {
		str_append(out, text);
		return;
	}
	while (text.len > 0) {
		struct view piece = sieve_first_characters(text, WORD_BYTES);

		if (piece.len == 0)
			piece = view_first(text, WORD_BYTES);
		str_append_cstr(out, is_first ? "=?utf-8?B?" : "\r\n =?utf-8?B?");
		base64_encode(out, piece);
		str_append_cstr(out, "?=");
		text = view_from(text, piece.len);
		is_first = false;
	}
}

void sieve_append_lines(struct str *out, struct view text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\r' && i + 1 < text.len && text.data[i + 1] == '\n')
			continue;
		if (text.data[i] == '\n' || text.data[i] == '\r')
			str_append_cstr(out, "\r\n");
		else
			str_append_byte(out, text.data[i]);
	}
	if (text.len > 0 && text.data[text.len - 1] != '\n')
		str_append_cstr(out, "\r\n");
}

static bool compose_is_plain(struct view text)
{
	struct view line;

	if (!view_is_ascii(text) || view_find_byte(text, '\0') != VIEW_NOT_FOUND)
		return false;
	while (view_next(&text, '\n', &line))
		if (line.len > LINE_PLAIN_MAX)
			return false;
	return true;
}

void sieve_compose_plain(struct view text, struct str *out)
{
	_cleanup_(str_free) struct str lines = STR_EMPTY;

	sieve_append_lines(&lines, text);
	str_append_cstr(out, "Content-Type: text/plain; charset=utf-8\r\n"
			     "Content-Transfer-Encoding: ");
	if (compose_is_plain(text)) {
		str_append_cstr(out, "7bit\r\n\r\n");
		str_append(out, str_view(&lines));
		return;
	}
	str_append_cstr(out, "base64\r\n\r\n");
	for (struct view rest = str_view(&lines); rest.len > 0;
	     rest = view_from(rest, MIN(rest.len, (size_t)BASE64_BYTES))) {
		base64_encode(out, view_first(rest, BASE64_BYTES));
		str_append_cstr(out, "\r\n");
	}
}
