/*
 * One message on its way through cleanup, and the steps that it takes. Each file uses those before
 * it only:
 *
 *	intake.c	what all report to: the first failure, and the end of an intake
 *	envelope.c	sender and recipients: standard form, canonical maps, virtual aliases, copies
 *	header.c	the header block; stages: hop count, fields to drop
 *	address.c	stage: addresses in header fields
 *	complete.c	stages: missing fields; the Received field
 *	checks.c	what a table of header_checks or body_checks says about one line
 *	inspect.c	stage: header_checks and kin
 *	fields.c ... again.c	milters (milters.h), and the message written once more
 *	seen.c verdict.c passage.c verify.c sign.c	proofs of who a message is from (proofs.h)
 *	content.c	line ends, the header collected, the stages called in order
 *	announce.c	telling qmgr
 *	written.c	telling greylist whom our users write to
 *	session.c	the exchange: mail, rcpt, data, data_end; the verdict
 *	pickup.c	the same with what local users left in the maildrop
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
#include "mail/lineends.h"
#include "queue/permit.h"
#include "queue/queue.h"
#include "route/route.h"

struct intake {
	struct ipc *ipc;
	struct str sender, envid, client_address, client_name, helo, protocol, tls, login;
	struct {
		struct str address, name, helo, protocol;
		bool was_queued; /* and has passed cleanup before it went to the filter */
	} origin;		 /* by XFORWARD; empty: the client itself */
	uint8_t flags, body, ret;
	int64_t arrival;	/* microseconds */
	const uid_t *submitter; /* it comes from the maildrop, and was written by them; else NULL */
	uid_t uid;		/* of a local submitter */
	bool local_submission;
	bool unfiltered; /* the suite's own: passes by header_checks and kin, and non_smtpd_milters */
	bool has_id;	 /* its lines in the log carry the queue id */

	struct queue_writer *writer;
	uint32_t given;		   /* recipients that the client gave */
	struct str only_recipient; /* the first of them, for "for <...>" */
	struct str written;	   /* whom a user of ours writes to; written.c */
	struct map *seen;	   /* recipients, to drop repeated ones */
	struct map *copies;	   /* blind copies to be made */

	bool content_begun, in_body;
	bool has_8bit; /* in what was written */
	struct lineends line_ends;
	uint64_t content_size;
	struct stage *stages;  /* NULL before the content; content.c */
	struct str header;     /* collected until it is complete */
	size_t header_scanned; /* whole lines of it that were looked at */
	size_t mailbox_lines;  /* bytes at its front that were From_ lines */

	struct {
		size_t front, added,
			all; /* bytes: ours at its top and its end; with the empty line */
	} header_written;
	struct ipc *channel; /* to filter: milters that smtpd has asked about the client */
	struct str
		recipients; /* as they were given, a line feed after each: for non_smtpd_milters */
	struct judged *judged; /* what milters made of the content; milters.h */
	struct map *removed;   /* original addresses, small letters, whose recipients go */
	bool again;	       /* its envelope has changed since it was written */

	struct str held;     /* why it is put on hold by a filter or policy, or empty */
	struct str filter;   /* "transport:nexthop" of a content filter, or empty */
	struct str redirect; /* whom it goes to instead; empty: to its recipients */
	struct map *late;    /* who gets a copy, by what was found in the content */
	uint32_t fail_code;  /* 0: nothing went wrong; 250: thrown away, and the client hears Ok */
	const char *fail_status;
	struct str fail_status_text; /* where it is not a literal */
	struct str fail_text;
};

/* What main() opened before it was confined. */
struct cleanup {
	struct queue *queue;
	struct routes *routes;
	struct permit *submitters; /* on the public socket */
};
extern struct cleanup cleanup;

/* intake.c */
void intake_free(struct intake *in);
void intake_freep(struct intake **in);
/* Keeps the first failure. Returns -EACCES. */
int intake_fail(struct intake *in, uint32_t code, const char *status, const char *text);
/* 451 with a line in the log about what could not be done. */
int intake_fail_temporarily(struct intake *in, const char *what, int r);
/* The message is thrown away, and its client hears that it was taken. Returns -EACCES. */
int intake_discard(struct intake *in);
/* The message waits for the administrator, who sees who wanted it so and why ("dmarc", a reason). */
void intake_hold(struct intake *in, const char *by, struct view reason);
/* For the queue file. */
struct queue_envelope intake_envelope(const struct intake *in);
/* Mail of our own users, not of strangers. */
bool intake_is_ours(const struct intake *in);
/* A filter had it from somebody else, and says so (XFORWARD). */
bool intake_is_brought_back(const struct intake *in);
/* It was in our queue before the filter had it (content_filter, not smtpd_proxy_filter). */
bool intake_was_queued(const struct intake *in);
/* Its header is completed and its addresses are rewritten (local_header_rewrite_clients). */
bool intake_rewrites_header(const struct intake *in);

/* session.c */
void cleanup_serve(struct ipc *ipc);
/* The same for local mail that came in another way; NULL: the socket says whose it is. */
void cleanup_serve_as(struct ipc *ipc, const uid_t *submitter);

/* pickup.c: looks into the maildrop, in a task. */
void pickup_look(void);

/* envelope.c */
int envelope_sender(struct intake *in, struct view sender);
/* 0, or -EACCES after intake_fail. */
int envelope_recipient(struct intake *in, const struct msg_rcpt *rcpt);
/* No more recipients come: adds the copies. */
int envelope_close(struct intake *in);
/* One more blind copy, which the content asks for. 0, or -EACCES after intake_fail. */
int envelope_late_copy(struct intake *in, struct view address);
/* The content is written: adds the recipients that it asked for. */
int envelope_late_copies(struct intake *in);

/* content.c */
/* Opens what the stages need, before the program is confined. */
int content_open(struct error *err);
/* The stages begin: no more recipients come from the client. */
int content_begin(struct intake *in);
int content_append(struct intake *in, struct view bytes);
int content_end(struct intake *in);

/*
 * The header under work: fields in order, each as it came, changed, dropped or added. Views into
 * in->header, or into texts of their own.
 */
struct block_field {
	struct header_field field; /* as it came */
	struct str changed;	   /* the whole field, if it is not empty */
	struct str before;	   /* lines in front of it */
	struct str own;		   /* what `field` refers to, if it was replaced */
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
/* Another field takes its place, and is looked at by the stages that follow. */
void header_block_replace(struct block_field *f, struct view text);
/* The first field of that name that is not dropped, or NULL. */
const struct block_field *header_block_find(const struct header_block *block, const char *name);

/*
 * What content passes, in the order of the table in content.c. A stage looks at the header when all
 * of it has come (and may change it), and at the body as it comes; what it hands on is what the next
 * one sees. Each part may be left out, and each may refuse the message (intake_fail).
 *
 * What a stage can only say when it has seen the body (a signature, a result) goes in front of the
 * header: queue_writer_reserve in header(), queue_writer_fill in end().
 */
struct stage;
struct content_stage {
	const char *name;
	/* Once, before the program is confined: tables. 0, or a negative errno with a reason. */
	int (*open)(struct error *err);
	/* For each message: sets stage->state, if it keeps one; `release` frees it. */
	int (*begin)(struct stage *stage);
	int (*header)(struct stage *stage, struct header_block *block);
	/* Pieces of any length, lines may be split. Hands on with stage_pass. */
	int (*body)(struct stage *stage, struct view bytes);
	/* The body has ended; what was held back is handed on first. */
	int (*end)(struct stage *stage);
	void (*release)(void *state);
};
/* A stage at work on one message. */
struct stage {
	const struct content_stage *kind;
	struct intake *in;
	void *state;
	struct stage *next; /* NULL: what comes now is written */
};
/* Hands a piece of the body on. */
int stage_pass(struct stage *stage, struct view bytes);

extern const struct content_stage stage_inspect, stage_hops, stage_drop, stage_addresses,
	stage_complete, stage_received;

/* written.c */
void written_open(void);
void written_note(struct intake *in, struct view address);
/* The message is in the queue. Does not wait. */
void written_tell(struct intake *in);

/* announce.c: before a message is promised. Waits a moment at most. */
void announce_prepare(void);
/* Makes sure that qmgr hears of the message, without waiting for it. */
void announce(const struct queue_writer *writer);

#endif
