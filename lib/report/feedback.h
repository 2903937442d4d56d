/*
 * Abuse reports (ARF, RFC 5965): a user of somebody else's says that a message is junk, and where he reads
 * his mail tells us, for it came from here.
 *
 *	feedback.c	the fields of a report, and what the message was that it is about
 *	mail.c		reports of all kinds in a mail that came
 */
#ifndef REPORT_FEEDBACK_H
#define REPORT_FEEDBACK_H

#include "report/aggregate.h"

#define FEEDBACK_TEXT_MAX 512 /* of each text; what is longer is cut off */

/* Texts without control characters; empty: not said. */
struct feedback_report {
	struct str type;     /* "abuse", "fraud", "not-spam", ... */
	struct str reporter; /* User-Agent */
	struct str source;   /* where they had it from */
	struct str mail_from, recipient;
	struct str domain;	       /* Reported-Domain; else that of From */
	struct str author, message_id; /* of the message: its From, its Message-ID */
	/* Who had logged in to send it: what we have written into its Received field. */
	struct str login;
};
/* The fields of message/feedback-report. False: it has no Feedback-Type. feedback_free in both cases. */
bool feedback_read(struct view fields, struct feedback_report *report);
/* What the header of the message says. `host`: who writes Received fields here. */
void feedback_read_message(struct view header, struct view host, struct feedback_report *report);
void feedback_free(struct feedback_report *report);

/* ---- mail.c ---- */

/*
 * Calls these for each report in a mail: by its attachments for DMARC, by its form (multipart/report) for ARF;
 * also of a file that is such an attachment itself. A negative result of theirs ends it.
 */
struct report_reader {
	int (*aggregate)(void *argument, const struct aggregate_report *report);
	int (*feedback)(void *argument, const struct feedback_report *report);
	void *argument;
	struct view host; /* as above */
};
/* How many reports there were; or a negative errno with a reason. */
int report_mail_read(struct view mail, const struct report_reader *reader, struct error *err);

#endif
