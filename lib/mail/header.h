/*
 * Header fields (RFC 5322 2.2) and MIME structure (RFC 2045, 2046) of content in CRLF form.
 * Everything here is a pull parser over views: nothing is copied, nothing recurses, all limits
 * are named.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include <stdbool.h>

#include "base/str.h"

struct header_field {
	struct view name;  /* "Subject" */
	struct view body;  /* after the colon, folded as it came, without the last CRLF */
	struct view whole; /* name to CRLF, inclusive */
};

/*
 * A header ends with the first empty line, and with nothing else. What stands in it and is no field (an
 * mbox From_ line, broken folding, a byte order mark, a name with a blank in it) is passed over: what
 * follows it counts.
 *
 * Takes the next field off *rest. 1: a field; 0: the header has ended (*rest then is the body, after the
 * empty line). Line ends may be CR LF or LF.
 */
int header_next(struct view *rest, struct header_field *field);
/* The same line by line, for those to whom a line that is no field matters: field->whole is that line. */
enum { HEADER_END, HEADER_FIELD, HEADER_JUNK };
int header_step(struct view *rest, struct header_field *field);
/*
 * Where the body begins: after the first empty line from the line that begins at `from` on.
 * VIEW_NOT_FOUND: there is no empty line in this text.
 */
size_t header_find_end(struct view text, size_t from);
/* First field of that name (case ignored) in a header block; false if there is none. */
bool header_find(struct view header, const char *name, struct header_field *field);
/* Body with folding undone and outer white space removed, appended. */
void header_unfold(struct str *out, struct view body);

/* "type/subtype; name=value": tokens and quoted strings; RFC 2231 continuations are joined. */
#define MIME_PARAMETERS_MAX 128
struct mime_parameter {
	struct str name, value;
};
struct mime_value {
	struct str type, subtype; /* lower case; disposition: only type */
	struct mime_parameter *parameters;
	size_t count; /* MIME_PARAMETERS_MAX at most */
};
/* 0, or -EINVAL where there is no usable type. mime_value_free in both cases. */
int mime_value_parse(struct view body, struct mime_value *value);
void mime_value_free(struct mime_value *value);
const struct str *mime_parameter_get(const struct mime_value *value, const char *name);

#endif
