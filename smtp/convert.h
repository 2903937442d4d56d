/*
 * Content of 8 bits for a server that takes 7: bodies that are labelled 8bit or binary become
 * quoted-printable, their labels too (RFC 6152 3). What has no such label stays as it is, as in
 * Postfix: nobody knows what it means.
 *
 *	struct converter *c = converter_new(put, argument);
 *	converter_feed(c, block) ..., converter_end(c);
 *	converter_free(c);
 */
#ifndef SMTP_CONVERT_H
#define SMTP_CONVERT_H

#include "base/str.h"

struct converter;
/* Where what comes out goes: 0, or a negative errno, which ends the conversion. */
typedef int converter_put(void *argument, struct view bytes);

struct converter *converter_new(converter_put *put, void *argument);
int converter_feed(struct converter *c, struct view bytes);
int converter_end(struct converter *c);
void converter_free(struct converter *c);

#endif
