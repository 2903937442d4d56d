/*
 * local: decides local delivery. It has no rights but to read its tables and the message that it
 * was handed; what touches anybody's files is asked of local-deliver (agent.c), by name.
 *
 *	main.c		one request of the queue manager, some recipients at a time
 *	recipient.c	one recipient: loop check, aliases, .forward, mailbox
 *	expand.c	aliases and .forward: from a name to what is to be done
 *	plan.c		the list of what is to be done
 *	execute.c	doing it
 *	forward.c	what became other addresses: one new message into the queue
 *	mails.c		what a user's scripts want sent
 *	mails_send.c	sending it
 *	mailbox.c	a user's mailbox, or whatever takes its place
 *	pass.c		handing a recipient over to another delivery agent
 *	agent.c		talking to local-deliver
 *	signal.c	telling of new mail
 */
#ifndef LOCAL_LOCAL_H
#define LOCAL_LOCAL_H

#include <stdbool.h>

#include "base/error.h"
#include "base/io.h"
#include "base/str.h"
#include "ipc/ipc.h"
#include "mail/outcome.h"
#include "queue/delivery.h"
#include "table/table.h"

/* One recipient that is being delivered. Views into the delivery's own strings and `folded`. */
struct job {
	struct delivery *d;
	const struct delivery_recipient *recipient;
	struct str folded; /* address in lower case */
	struct view address, local, domain, user, extension;
	struct str sender; /* of what is forwarded: the message's, or an owner- alias */
	bool is_logged;	   /* what became of it, by another agent */
};

/* ---- plan.c ---- */

#define PLAN_ACTIONS_MAX ((size_t)100000)

enum action_kind {
	ACTION_COMMAND,
	ACTION_FILE,
	ACTION_MAILBOX,
	ACTION_REFUSED, /* nothing is done; `text` says why */
	ACTION_ADDRESS,
};
struct action {
	enum action_kind kind;
	char *text;   /* command, path, user, address, reason */
	char *owner;  /* key of the alias, or user of the .forward; NULL for addresses */
	char *via;    /* :include: file, or NULL */
	bool forward; /* it stood in a .forward */
	bool circle;  /* ACTION_MAILBOX: the alias `owner` led back to this name */
	bool leaf;    /* ACTION_ADDRESS: a user of this system, for whom there is no alias */
};
struct plan {
	struct action *actions;
	size_t count;
};
void delivery_plan_free(struct plan *plan);
/* False when there are too many. Strings are copied. */
bool plan_add(struct plan *plan, enum action_kind kind, struct view text, const char *owner,
	      const char *via, bool forward);

/* ---- execute.c ---- */

/* Does it all: what is local first, then one new message for the addresses. */
void plan_execute(struct plan *plan, struct job *job, struct outcome *outcome);

/* ---- expand.c ---- */

int expand_prepare(struct error *err);
/*
 * The alias of the recipient, if there is one: 1 with the plan and job->sender; 0: no alias;
 * negative: the outcome says why not.
 */
int expand_alias(struct job *job, struct plan *plan, struct outcome *outcome);
/* The same for a user's .forward. */
int expand_forward(struct job *job, struct view user, struct plan *plan, struct outcome *outcome);

/* ---- forward.c ---- */

/* One new message with all ACTION_ADDRESS of the plan as recipients. */
void forward_submit(const struct plan *plan, struct job *job, struct outcome *outcome);
/* The same, of scripts: with another content, if there is one, and always with Delivered-To. */
void forward_redirect(const struct plan *plan, struct job *job, const struct io_source *content,
		      struct outcome *outcome);
/* A message of a user's scripts, from the null sender. */
void forward_answer(const struct job *job, struct view recipient, const struct io_source *content,
		    struct outcome *outcome);
/* A message to job->sender, the owner of the alias, that a member was passed over, and why. */
void forward_tell_owner(struct job *job, const char *reason, struct outcome *outcome);

/* ---- mails.c ---- */

struct wanted_mail {
	uint8_t kind; /* SIEVE_MAIL_... */
	struct str recipient;
	struct io_source content; /* empty: the message itself */
	struct str bytes;
};
struct mails {
	struct wanted_mail *items;
	size_t count;
};
void mails_free(struct mails *mails);
/* -EBADMSG: nothing that can be sent. A descriptor that came is taken in any case. */
int mails_take(struct mails *mails, struct msg_sieve_mail *m);

/* ---- mails_send.c ---- */

/* Sends them, and has it noted, after that user has got the message; the outcome says so. */
void mails_send(const struct mails *mails, struct job *job, struct view user, uint8_t kind,
		struct outcome *outcome);

/* ---- mailbox.c ---- */

int mailbox_prepare(struct error *err);
/* To a mailbox, by the user's scripts, and what these want sent. `kind`: MAILBOX_... */
void mailbox_store(struct job *job, struct view user, uint8_t kind, struct outcome *outcome);
/* For a user of this system, or a name that turns out to be none. */
void mailbox_deliver_to(struct job *job, struct view user, struct outcome *outcome);

/* ---- pass.c ---- */

/* `where`: transport:nexthop; without a nexthop the message's own. */
void pass_recipient(struct job *job, struct view where, struct outcome *outcome);

/* ---- agent.c ---- */

/* Also signals the new mail; *mails gets what the user's scripts want sent. */
void agent_mailbox(const struct job *job, struct view user, uint8_t kind, struct mails *mails,
		   struct outcome *outcome);
/* SIEVE_MAIL_...: all of that kind were sent. */
void agent_sent(const struct job *job, struct view user, uint8_t kind, uint8_t sent,
		struct outcome *outcome);
void agent_program(const struct job *job, const struct action *action, struct outcome *outcome);
/* 1 with the text, 0: there is none, negative: the outcome says why not now. */
int agent_source(const struct job *job, uint8_t source, const char *owner, const char *via,
		 struct str *text, struct outcome *outcome);

/* ---- signal.c ---- */

/* Has anvil tell the user's sessions of mail in INBOX, or smtpd that there is no room for any, soon. */
void signal_mailbox(struct view user, bool full);

/* ---- recipient.c ---- */

/* Decides and does it; the outcome has been initialised. True: it stands in the log already. */
bool recipient_deliver(struct delivery *d, size_t which, bool is_virtual, struct outcome *outcome);

#endif
