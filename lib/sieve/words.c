/*
 * Encoded words of header fields (RFC 2047) as UTF-8, for the charsets that RFC 5228, 2.7.2 asks
 * for: UTF-8, US-ASCII, ISO-8859-1, and the ASCII part of the other ISO-8859. What is none of these
 * stays as it stands.
 */
#include "sieve/words.h"
#include "base/encode.h"
#include "base/mem.h"

#define WORD_MAX 2048 /* bytes; RFC 2047 has 75. What is longer stays as it stands */

static bool words_decode_q(struct view text, struct str *bytes)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (c == '_') {
			str_append_byte(bytes, ' ');
		} else if (c == '=') {
			bool room = i + 2 < text.len;
			int high = room ? hex_value(text.data[i + 1]) : -1;
			int low = room ? hex_value(text.data[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			str_append_byte(bytes, (char)(high * 16 + low));
			i += 2;
		} else {
			str_append_byte(bytes, c);
		}
	}
	return true;
}

bool sieve_charset_to_utf8(struct view charset, struct view bytes, struct str *out)
{
	bool latin1 = view_is_nocase(charset, "iso-8859-1");

	charset = view_first(charset, view_find_byte(charset, '*')); /* RFC 2231: a language */
	if (view_is_nocase(charset, "utf-8") || view_is_nocase(charset, "us-ascii")) {
		if (!view_is_utf8(bytes))
			return false;
		str_append(out, bytes);
		return true;
	}
	if (!latin1 && !(view_starts_nocase(charset, VIEW("iso-8859-")) && view_is_ascii(bytes)))
		return false;
	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.data[i];

		if (c >= 0x80)
			str_append_byte(out, (char)(0xc0 | c >> 6));
		str_append_byte(out, c >= 0x80 ? (char)(0x80 | (c & 0x3f)) : (char)c);
	}
	return true;
}

/* "=?charset?Q?text?=" at the front: its length, or 0. */
static size_t word_decode(struct view text, struct str *out)
{
	_cleanup_(str_free) struct str bytes = STR_EMPTY;
	struct view rest = view_from(view_first(text, WORD_MAX), 2), charset, encoding, inside;
	size_t end, before = out->len;
	bool good;

	if (!view_starts(text, VIEW("=?")) || !view_next(&rest, '?', &charset) ||
	    !view_next(&rest, '?', &encoding) || encoding.len != 1)
		return 0;
	end = view_find(rest, VIEW("?="));
	if (end == VIEW_NOT_FOUND)
		return 0;
	inside = view_first(rest, end);
	if (view_find_byte(inside, ' ') != VIEW_NOT_FOUND || charset.len > 60)
		return 0;
	if (ascii_lower(encoding.data[0]) == 'q')
		good = words_decode_q(inside, &bytes);
	else
		good = ascii_lower(encoding.data[0]) == 'b' && base64_decode(&bytes, inside) == 0;
	if (!good || !sieve_charset_to_utf8(charset, str_view(&bytes), out)) {
		str_truncate(out, before);
		return 0;
	}
	return (size_t)(inside.data + inside.len + 2 - text.data);
}

/* White space between two encoded words is not text. */
void sieve_decode_words(struct str *out, struct view text)
{
	size_t space = SIZE_MAX; /* where it began in *out, after an encoded word */

	for (size_t i = 0; i < text.len;) {
		size_t before = out->len, n = 0;

		if (text.data[i] == '=')
			n = word_decode(view_from(text, i), out);
		if (n > 0 && space != SIZE_MAX && space < before) {
			memmove(out->data + space, out->data + before, out->len - before);
			str_truncate(out, out->len - (before - space));
		}
		if (n > 0) {
			space = out->len;
			i += n;
			continue;
		}
		if (!ascii_is_space(text.data[i]))
			space = SIZE_MAX;
		str_append_byte(out, text.data[i++]);
	}
}
