/* Base64 (RFC 4648), hexadecimal, xtext (RFC 3461 section 4), the percent-encoding of URLs, fields between tabs as Dovecot has them. */
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H

#include "base/str.h"

void base64_encode(struct str *out, struct view in);
/*
 * Strict: whole quanta, padding where it belongs, no white space, no bits left over. Appends to
 * `out`. 0 or -EINVAL (out is then as it was).
 */
int base64_decode(struct str *out, struct view in);
void hex_encode(struct str *out, struct view in);
/* Of one digit, or -1. */
int hex_value(char c);
/* 0 or -EINVAL. */
int hex_decode(struct str *out, struct view in);
void xtext_encode(struct str *out, struct view in);
/* 0 or -EINVAL, also when a NUL or another control byte is hidden in it. */
int xtext_decode(struct str *out, struct view in);
/* RFC 3986 2.1. 0 or -EINVAL, also when a NUL byte is hidden in it. */
int percent_decode(struct str *out, struct view in);
/*
 * A field of a line whose fields have tabs between them, as Dovecot's protocols escape it (\001 and a
 * letter). Both append; what is escaped in no known way stands for itself.
 */
void tab_escape(struct str *out, struct view field);
void tab_unescape(struct str *out, struct view field);
/* Equal, in a time that depends on the lengths alone: for passwords and tokens. */
bool secret_equal(struct view a, struct view b);

#endif
