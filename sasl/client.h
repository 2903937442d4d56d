/*
 * A connection of other software that logs people in as users of ours. Many of its requests may be under way at
 * once, each a task; auth says what becomes of them. What clients say is read by request.c.
 */
#ifndef SASL_CLIENT_H
#define SASL_CLIENT_H

#include "task/stream.h"

/* From the greeting to the end. `peer`: for the log. */
void sasl_serve(struct stream *io, const char *peer);

#endif
