/*
 * What of a content is changed on its way out: fields of the header, and 8 bits for a server that takes
 * 7: bodies that are labelled 8bit or binary become
 * quoted-printable, their labels too (RFC 6152 3). What has no such label stays as it is, as in
 * Postfix: nobody knows what it means.
 *
 *	struct converter *c = converter_new(&work);
 *	converter_feed(c, block) ..., converter_end(c);
 *	converter_free(c);
 */
#ifndef SMTP_CONVERT_H
#define SMTP_CONVERT_H

#include "base/str.h"

struct converter;
/* Where what comes out goes: 0, or a negative errno, which ends the conversion. */
typedef int converter_put(void *argument, struct view bytes);
/* Which header a field stands in: the message's own, a part's, that of a message in it. */
enum converter_place { FIELD_PRIMARY, FIELD_MIME, FIELD_NESTED };
/*
 * A whole field; a line of a body without its end: 1 with what takes its place in *out (whole lines, or
 * nothing), 0 as it is, or a negative errno.
 */
typedef int converter_edit(void *argument, enum converter_place place, struct view whole,
			   struct str *out);
typedef int converter_edit_line(void *argument, struct view line, struct str *out);

struct converter_work {
	bool to_7bit;
	converter_edit *edit;		/* or NULL */
	converter_edit_line *edit_line; /* or NULL */
	void *edit_argument;
	converter_put *put;
	void *argument; /* of put */
};
struct converter *converter_new(const struct converter_work *work);
int converter_feed(struct converter *c, struct view bytes);
int converter_end(struct converter *c);
void converter_free(struct converter *c);

#endif
