/* Writing messages: what answers of vacation and notifications have in common. Of lib/sieve only. */
#ifndef SIEVE_COMPOSE_H
#define SIEVE_COMPOSE_H

#include "sieve/sieve.h"

struct view sieve_message_header(const struct sieve_message *message);
/* At most that many bytes, and not the half of a character. */
struct view sieve_first_characters(struct view text, size_t most);
/* The text with CRLF, the last line too. */
void sieve_append_lines(struct str *out, struct view text);
/* Content-Type, -Transfer-Encoding, the empty line, and the text. */
void sieve_compose_plain(struct view text, struct str *out);

#endif
