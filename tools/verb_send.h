/* Between verb_send.c and verb_send_message.c. */
#ifndef TOOLS_VERB_SEND_H
#define TOOLS_VERB_SEND_H

#include "base/str.h"

/* sysexits(3), which callers of sendmail look at. */
enum send_status {
	SEND_DONE = 0,
	SEND_USAGE = 64,
	SEND_BAD_DATA = 65,
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
};
/* Adds the addresses in a header field's or argument's text. */
void send_add_recipients(struct sending *s, struct view text);
/* Reads the message from standard input and submits it. */
enum send_status submission_send_message(struct sending *s);

#endif
