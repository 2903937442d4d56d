/*
 * posta verify and posta sign: what their parts share. The same code decides as in the programs;
 * here it says each step with the record that decided.
 */
#ifndef TOOLS_VERIFY_H
#define TOOLS_VERIFY_H

#include "base/error.h"
#include "mailauth/records.h"

#define VERIFY_MESSAGE_MAX ((size_t)256 * 1024 * 1024) /* bytes of a message */

struct verify_options {
	const char *ip, *helo, *from, *dns, *authserv_id;
};
struct verify {
	struct verify_options options;
	struct dns_source dns;
	struct str message; /* in CRLF form */
};

/*
 * verify_message.c: standard input, line ends made CRLF; *bare_lf (may be NULL) says that its first
 * one was LF. 0 or a negative errno with a reason.
 */
int verify_read_message(struct str *message, bool *bare_lf, struct error *err);
struct view verify_message_header(struct view message);
struct view verify_message_body(struct view message);
/* MAIL FROM as it was given, "<a@b>" or "a@b". */
struct view verify_sender(const struct verify *v);
/* Prints steps, two blanks in front of each line. */
void verify_print_steps(struct view lines);

/* Each prints its first line and its steps, and returns a status of tools/tool.h. */
int verify_spf(struct verify *v);
int verify_dkim(struct verify *v);
int verify_arc(struct verify *v);
int verify_dmarc(struct verify *v);
int verify_all(struct verify *v);

#endif
