/*
 * Delivery status notifications (RFC 3461, 3464; multipart/report RFC 6522) about a message, from
 * its queue file alone: what a person should know, what a program should know, and the message or
 * its header.
 *
 *	compose.c	the message: header, text, the original
 *	status.c	the machine-readable part
 */
#ifndef BOUNCE_COMPOSE_H
#define BOUNCE_COMPOSE_H

#include "base/str.h"
#include "queue/queue.h"

/* Recipients in one report; a message with more failures gets several. */
#define REPORT_RECIPIENTS_MAX 5000

struct report {
	uint8_t kind; /* REPORT_... */
	struct queue_file *file;
	struct queue_cursor from; /* the first recipient that is looked at */
	struct queue_cursor next; /* set by compose: where the next report begins */
	uint32_t named;		  /* recipients that were told of so far */
	bool more;		  /* set by compose: somebody is left for another report */
	const char *
		postmaster; /* a copy for this one, with no more than the header; NULL: for the sender */
	int (*write)(void *argument, struct view bytes);
	void *argument;
};
/* Writes the whole message. 0, or the negative errno of write() or of reading the file. */
int report_compose(struct report *report);
/* 1: the report has bytes that need 8BITMIME; negative errno: the file cannot be read. */
int report_needs_8bit(struct report *report);
/* It goes out with SMTPUTF8, its parts are those of RFC 6533; else its fields are ASCII. */
bool report_is_utf8(const struct report *report);
/* Somebody is to be told. */
bool report_is_needed(struct report *report);

/* One recipient's record in message/delivery-status, and the fields in front of all. */
void status_message(const struct report *report, struct str *out);
void status_recipient(const struct report *report, const struct queue_recipient *recipient,
		      const struct queue_reason *reason, struct str *out);

/* serve.c: the exchange with qmgr. */
void bounce_serve(struct ipc *ipc);

#endif
