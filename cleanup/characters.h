/* Bytes that are left out of messages, or that no message may have. See characters.c. */
#ifndef CLEANUP_CHARACTERS_H
#define CLEANUP_CHARACTERS_H

#include "base/error.h"
#include "base/str.h"

/* Reads the parameters. 0 or -EINVAL with a reason. */
int characters_open(struct error *err);
/* One of them must not be in a message. */
bool characters_are_refused(struct view bytes);
/* Without those that are left out; the result is `bytes` or in `room`. */
struct view characters_strip(struct view bytes, struct str *room);

#endif
