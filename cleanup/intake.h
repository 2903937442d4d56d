/*
 * One message on its way through cleanup, and the steps that it takes:
 *
 *	session.c	the exchange: mail, rcpt, data, data_end; the verdict
 *	envelope.c	sender and recipients: standard form, canonical maps, virtual aliases, copies
 *	content.c	line ends made CRLF, the header collected, the stages called in order
 *	header.c	stages: hop count, fields to drop; the header block itself
 *	address.c	stage: addresses in header fields
 *	complete.c	stage: missing fields; the Received field
 *	announce.c	telling qmgr
 *
 * The first thing that goes wrong is kept (intake_fail) and becomes the verdict; what still comes
 * of that message is read and thrown away.
 */
#ifndef CLEANUP_INTAKE_H
#define CLEANUP_INTAKE_H

#include "base/map.h"
#include "base/str.h"
#include "ipc/ipc.h"
#include "mail/header.h"
#include "queue/permit.h"
#include "queue/queue.h"
#include "route/route.h"

struct intake {
	struct ipc *ipc;
	struct str sender, envid, client_address, client_name, helo, protocol, tls, login;
	uint8_t flags, body, ret;
	int64_t arrival; /* microseconds */
	uid_t uid;	 /* of a local submitter */
	bool local_submission;
	bool has_id; /* its lines in the log carry the queue id */

	struct queue_writer *writer;
	uint32_t given;		   /* recipients that the client gave */
	struct str only_recipient; /* the first of them, for "for <...>" */
	struct map *seen;	   /* recipients, to drop repeated ones */
	struct map *copies;	   /* blind copies to be made */

	bool content_begun, in_body;
	bool pending_cr; /* the last piece ended in CR */
	bool at_line_start;
	uint64_t content_size;
	struct str header;     /* collected until it is complete */
	size_t header_scanned; /* whole lines of it that were looked at */

	uint32_t fail_code; /* 0: nothing went wrong */
	const char *fail_status;
	struct str fail_text;
};

/* What main() opened before it was confined. */
struct cleanup {
	struct queue *queue;
	struct routes *routes;
	struct permit *submitters; /* on the public socket */
};
extern struct cleanup cleanup;

/* session.c */
void cleanup_serve(struct ipc *ipc);

/* Keeps the first failure. Returns -EACCES. */
int intake_fail(struct intake *in, uint32_t code, const char *status, const char *text);
/* 451 with a line in the log about what could not be done. */
int intake_fail_temporarily(struct intake *in, const char *what, int r);

/* envelope.c */
int envelope_sender(struct intake *in, struct view sender);
/* 0, or -EACCES after intake_fail. */
int envelope_recipient(struct intake *in, const struct msg_rcpt *rcpt);
/* No more recipients come: adds the copies. */
int envelope_close(struct intake *in);

/* content.c */
int content_append(struct intake *in, struct view bytes);
int content_end(struct intake *in);

/*
 * The header under work: fields in order, each as it came, changed, dropped or added. Views into
 * in->header, or into texts of their own.
 */
struct block_field {
	struct header_field field; /* as it came */
	struct str changed;	   /* the whole field, if it is not empty */
	bool dropped;
};
struct header_block {
	struct block_field *fields;
	size_t count, size;
	struct str front; /* put in front of all */
	struct str added; /* after all */
};
void header_block_parse(struct header_block *block, struct view header, struct view *rest);
void header_block_free(struct header_block *block);
/* The first field of that name that is not dropped, or NULL. */
const struct block_field *header_block_find(const struct header_block *block, const char *name);

/*
 * The stages that content passes, in this order. A stage may have a part for the header, one for
 * pieces of the body and one for the end; each may refuse the message (intake_fail).
 */
struct content_stage {
	const char *name;
	int (*header)(struct intake *in, struct header_block *block);
	int (*body)(struct intake *in, struct view bytes);
	int (*end)(struct intake *in);
};
int stage_count_hops(struct intake *in, struct header_block *block);
int stage_drop_fields(struct intake *in, struct header_block *block);
int stage_rewrite_addresses(struct intake *in, struct header_block *block);
int stage_complete(struct intake *in, struct header_block *block);
int stage_received(struct intake *in, struct header_block *block);

/* Fields are completed and rewritten: mail of our own users, not of strangers. */
bool intake_is_ours(const struct intake *in);

/* announce.c: before a message is promised. Waits a moment at most. */
void announce_prepare(void);
/* Makes sure that qmgr hears of the message, without waiting for it. */
void announce(const struct queue_writer *writer);

#endif
