/*
 * The grammar of ManageSieve (RFC 5804, section 4), before and after a login: reading commands from a
 * stream, and writing answers. It knows syntax; commands know meaning.
 *
 *	r = managesieve_begin(p)			reads the command's first line; its name is p->name
 *	r = managesieve_string(p, max, &text)		" " and a quoted string or literal
 *	r = managesieve_number(p, &number)		" " and a number
 *	r = managesieve_end(p)				nothing more follows
 *	r = managesieve_skip(p)				always in the end: past what was not read, literals too
 *
 * Each returns 0, or -EBADMSG (p->problem says what is wrong), -EFBIG (a string larger than `max`; the
 * command can be read on), -EMSGSIZE (a line or a literal that is not waited for: the connection is to
 * end), or an errno of the stream. Strings may be passwords: what this holds is wiped when it goes.
 */
#ifndef MANAGESIEVED_PARSER_H
#define MANAGESIEVED_PARSER_H

#include "task/stream.h"

#define MANAGESIEVE_LINE_MAX   16384 /* of one line; RFC 5804 has at most 1024 octets in quotes */
#define MANAGESIEVE_QUOTED_MAX 1024  /* of a string that we send so */
#define MANAGESIEVE_SKIP_MAX   16777216 /* of a literal that is too large and passed over */
#define MANAGESIEVE_TAG_MAX    1024	/* of what NOOP is to repeat */

struct managesieve_parser {
	struct stream *io;
	struct view name;    /* of the command, in `line` */
	const char *problem; /* of the last -EBADMSG or -EMSGSIZE */
	struct str line;     /* the present one, without its end */
	size_t at;
};

void managesieve_parser_end(struct managesieve_parser *p);
int managesieve_begin(struct managesieve_parser *p);
int managesieve_string(struct managesieve_parser *p, size_t max, struct str *text);
int managesieve_number(struct managesieve_parser *p, uint64_t *number);
bool managesieve_at_end(const struct managesieve_parser *p);
int managesieve_end(struct managesieve_parser *p);
int managesieve_skip(struct managesieve_parser *p);
/* A line that is one string and no command: of a SASL exchange. */
int managesieve_string_line(struct managesieve_parser *p, size_t max, struct str *text);

/* ---- answers ---- */

/* A string as it has to be written, quoted or as a literal. */
void managesieve_append_string(struct str *out, struct view text);
/* `word` is OK, NO or BYE; `code` (NULL: none) stands in parentheses before the text for people. */
int managesieve_answer(struct stream *io, const char *word, const char *code, struct view text);
/* OK, with the string that the client gave to NOOP. */
int managesieve_answer_noop(struct stream *io, struct view tag);

#endif
