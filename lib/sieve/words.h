/* Encodings of header fields and bodies. Of lib/sieve only. */
#ifndef SIEVE_WORDS_H
#define SIEVE_WORDS_H

#include "base/str.h"

/* The unfolded text with its encoded words (RFC 2047) decoded, appended. */
void sieve_decode_words(struct str *out, struct view text);
/* The other way: as it stands, or in encoded words, folded. */
void sieve_encode_words(struct str *out, struct view text);
/* Bytes of that charset, appended. False: they cannot be told in UTF-8, and nothing was done. */
bool sieve_charset_to_utf8(struct view charset, struct view bytes, struct str *out);
/* A part's body without its Content-Transfer-Encoding; what cannot be decoded as it stands. */
void sieve_decode_body(struct view header, struct view body, struct str *out);

#endif
