/* A part's body without its transfer encoding (RFC 2045, 6), for the test of bodies. */
#include "base/encode.h"
#include "base/mem.h"
#include "mail/header.h"
#include "sieve/words.h"

/* What is no encoding stays as it stands; a line that ends in '=' goes on. */
static void decode_quoted(struct view body, struct str *out)
{
	for (size_t i = 0; i < body.len; i++) {
		struct view rest = view_from(body, i);

		if (rest.data[0] != '=') {
			str_append_byte(out, rest.data[0]);
		} else if (view_starts(rest, VIEW("=\r\n"))) {
			i += 2;
		} else if (view_starts(rest, VIEW("=\n"))) {
			i += 1;
		} else if (rest.len > 2 && hex_value(rest.data[1]) >= 0 &&
			   hex_value(rest.data[2]) >= 0) {
			str_append_byte(out, (char)(hex_value(rest.data[1]) * 16 +
						    hex_value(rest.data[2])));
			i += 2;
		} else {
			str_append_byte(out, '=');
		}
	}
}

static void body_decode_base64(struct view body, struct str *out)
{
	_cleanup_(str_free) struct str dense = STR_EMPTY;
	struct view word;

	for (struct view rest = body; view_next_word(&rest, " \t\r\n", &word);)
		str_append(&dense, word);
	if (base64_decode(out, str_view(&dense)) < 0)
		str_set(out, body);
}

void sieve_decode_body(struct view header, struct view body, struct str *out)
{
	_cleanup_(str_free) struct str encoding = STR_EMPTY;
	struct header_field field;

	if (header_find(header, "Content-Transfer-Encoding", &field))
		header_unfold(&encoding, field.body);
	if (view_is_nocase(str_view(&encoding), "quoted-printable"))
		decode_quoted(body, out);
	else if (view_is_nocase(str_view(&encoding), "base64"))
		body_decode_base64(body, out);
	else
		str_append(out, body);
}
