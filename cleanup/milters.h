/*
 * Milters and the message, once all of it is in the queue file: shown to one after the other, and what
 * each wants changed.
 *
 *	fields.c	the header as a list of fields
 *	edits.c		what a milter wants, and how it is done
 *	judge.c		the exchange with filter about the content
 *	milters.c	which milters; a message that did not come by SMTP
 *	again.c		the message written once more, with all changes
 */
#ifndef CLEANUP_MILTERS_H
#define CLEANUP_MILTERS_H

#include "intake.h"

struct judged_field {
	struct str whole; /* with its line end */
	size_t name_length;
	bool is_own; /* we have added it */
};
/* A message as the milters have left it so far. */
struct judged {
	struct judged_field *fields;
	size_t count;
	size_t filled;		   /* bytes above our own fields */
	uint64_t body_at;	   /* in the content of the writer */
	struct queue_writer *body; /* instead of it, if it is not NULL: its content */
	size_t work;		   /* fields that changes have looked at or moved */
	bool is_changed;
};

/* ---- fields.c ---- */

/* `front` bytes of the header are fields of ours at its top, `added` at its end. */
void judged_parse(struct judged *j, struct view header, size_t front, size_t added);
void judged_free(struct judged *j);
/* Before the field with this number; beyond them all: at the end. `value` begins after the colon. */
void judged_insert(struct judged *j, size_t at, struct view name, struct view value);
/* The n-th field of that name: another value, or (empty) it goes. A value without a field: appended. */
void judged_change(struct judged *j, uint32_t n, struct view name, struct view value);

/* ---- edits.c ---- */

/* What one milter wants, until its verdict says that it counts. */
struct edits {
	struct edit {
		uint8_t kind; /* MILTER_EDIT_... */
		uint32_t index;
		struct str name, value, arguments;
	} * items;
	size_t count;
	size_t bytes;
	struct queue_writer *body;
};
/* Before the program is confined: milter_header_checks. */
int edits_open(struct error *err);
/* Keeps it. 0, -EBADMSG: this cannot be, or another negative errno: the new body cannot be written. */
int edits_add(struct edits *edits, const struct msg_milter_edit *m);
/* Does all of it. 0, or -EACCES after intake_fail. */
int edits_apply(struct intake *in, struct judged *j, struct edits *edits);
void edits_free(struct edits *edits);

/* ---- judge.c ---- */

/*
 * Asks the milters on this connection to filter about the content. 0: it goes on, changed or not; or
 * -EACCES after intake_fail.
 */
int judge_content(struct intake *in, struct ipc *ipc);
/* What a milter says about the message as a whole. 0, or -EACCES after intake_fail. */
int judge_verdict(struct intake *in, const char *step, struct view reply, bool discard, bool hold,
		  struct view reason);
/* The milters cannot be asked: milter_default_action. `half`: a new body was under way. */
int judge_failure(struct intake *in, bool half);

/* ---- milters.c ---- */

/* Reads non_smtpd_milters. 0 or a negative errno with a reason. */
int cleanup_milters_open(struct error *err);
/* A recipient as it was given: milters hear of it. */
void cleanup_milters_recipient(struct intake *in, struct view address);
/* All of the message has come. 0, or -EACCES after intake_fail. */
int cleanup_milters_ask(struct intake *in);

/* ---- again.c ---- */

/* The message is written: changes of it that were asked for. 0, or -EACCES after intake_fail. */
int message_again(struct intake *in);

#endif
