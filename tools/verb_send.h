/*
 * posta send, sendmail: what its files share.
 *
 *	verb_send.c		the options, and which of the rest is wanted
 *	send_conversation.c	-bs: SMTP on standard input
 *	send_verify.c		-bv
 *	send_message.c		reads a message and hands it on
 */
#ifndef TOOLS_VERB_SEND_H
#define TOOLS_VERB_SEND_H

#include "base/str.h"

/* sysexits(3), which callers of sendmail look at. */
enum send_status {
	SEND_DONE = 0,
	SEND_USAGE = 64,
	SEND_BAD_DATA = 65,
	SEND_NO_USER = 67,
	SEND_UNAVAILABLE = 69,
	SEND_IO_ERROR = 74,
	SEND_LATER = 75,
};

struct sending {
	struct str sender, full_name, envid;
	struct str *recipients;
	size_t recipient_count;
	uint8_t notify, ret;
	bool from_header; /* -t */
	bool dots_end;	  /* a line with a dot alone ends the message */
	bool seven_bit;	  /* -B 7BIT */
	bool utf8;
	bool in_conversation; /* -bs: dots are doubled, and what is to be said goes to `reply` */
	bool ended;	      /* the end of the message was seen */
	bool kept;	      /* it waits in the maildrop */
	struct str reply;     /* "250 2.0.0 Ok: queued as ..." */
};
void sending_free(struct sending *s);
/* Adds the addresses in a header field's or argument's text. */
void send_add_recipients(struct sending *s, struct view text);
/* Reads the message from standard input and submits it. */
enum send_status send_message(struct sending *s);
/* -bs. As a task. */
enum send_status send_conversation(void);
/* -bv: says of each recipient whether, and where, its mail would be delivered. As a task. */
enum send_status send_verify(const struct sending *s);

#endif
