/* What is told to a content filter of the client. See xforward.c. */
#ifndef SMTP_XFORWARD_H
#define SMTP_XFORWARD_H

#include "queue/delivery.h"
#include "session.h"

/*
 * " NAME=... ADDR=...": of the client, or of the message. All of it may be too long for one line, so
 * it goes in two. False: there is nothing to be told, and the command must not be sent.
 */
bool xforward_attributes(const struct session *s, const struct delivery *d, bool of_message,
			 struct str *attributes);

#endif
