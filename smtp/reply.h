/*
 * Replies of a server (RFC 5321 4.2): read strictly, in bounds, and never handed on raw. What is
 * malformed ends the conversation: who writes such replies cannot be trusted to mean what we read.
 */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"
#include "task/stream.h"

/* RFC 5321 4.5.3.1.5 has 512 octets; many servers' texts are longer. */
#define REPLY_LINE_MAX	 2048
#define REPLY_LINES_MAX	 128
#define REPLY_TEXT_MAX	 2000 /* bytes kept for the log and for bounces */
#define REPLY_STATUS_MAX 16

struct reply {
	int code;		       /* 200 .. 599 */
	char status[REPLY_STATUS_MAX]; /* of RFC 3463: the server's, or made from the code */
	struct str text;	       /* "250 2.1.5 Ok": printable, lines joined by spaces */
	struct str lines;	       /* what stands after the codes, '\n' after each line */
	size_t count;		       /* lines so far */
};

void reply_free(struct reply *reply);
/* Forgets what it holds, for the next one. */
void reply_clear(struct reply *reply);
/* Takes a line: 1 it was the last, 0 more are to come, -EBADMSG. */
int reply_add_line(struct reply *reply, struct view line);
/* Opens smtp_reply_filter: what a line of a server becomes before it is read; before the chroot. */
int reply_filter_prepare(const char *list, struct error *err);
/* Reads one: 0, -EBADMSG for a malformed or endless one, or what the stream says. */
int reply_read(struct stream *io, struct reply *reply);
/*
 * The status code at the front of a text, if it is one and of this class ('2', '4', '5'; 0: any).
 * Copies it; false if there is none.
 */
bool reply_find_status(struct view text, char class, char *status);

#endif
