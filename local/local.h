/*
 * local: decides local delivery. It has no rights but to read its tables and the message that it
 * was handed; what touches anybody's files is asked of local-deliver (agent.c), by name.
 *
 *	main.c		one request of the queue manager, some recipients at a time
 *	recipient.c	one recipient: loop check, aliases, .forward, mailbox
 *	expand.c	aliases and .forward: from a name to what is to be done
 *	plan.c		the list of what is to be done, and doing it
 *	forward.c	what became other addresses: one new message into the queue
 *	loop.c		Delivered-To
 *	agent.c		talking to local-deliver
 *	signal.c	telling of new mail
 */
#ifndef LOCAL_LOCAL_H
#define LOCAL_LOCAL_H

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"
#include "ipc/ipc.h"
#include "queue/delivery.h"
#include "table/table.h"

/* What became of a recipient, or of a part of what it expanded to. */
struct verdict {
	uint8_t outcome; /* OUTCOME_... */
	char status[IPC_STATUS_MAX];
	struct str text;
};
void verdict_free(struct verdict *verdict);
/* Returns `outcome`. */
uint8_t verdict_set(struct verdict *verdict, uint8_t outcome, const char *status,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* One recipient that is being delivered. Views into the delivery's own strings and `folded`. */
struct job {
	struct delivery *d;
	const struct delivery_recipient *recipient;
	struct str folded; /* address in lower case */
	struct view address, local, domain, user, extension;
	struct str sender; /* of what is forwarded: the message's, or an owner- alias */
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
/* Does it all: what is local first, then one new message for the addresses. */
void plan_execute(struct plan *plan, struct job *job, struct verdict *verdict);

/* ---- expand.c ---- */

int expand_prepare(struct error *err);
/*
 * The alias of the recipient, if there is one: 1 with the plan and job->sender; 0: no alias;
 * negative: the verdict says why not.
 */
int expand_alias(struct job *job, struct plan *plan, struct verdict *verdict);
/* The same for a user's .forward. */
int expand_forward(struct job *job, struct view user, struct plan *plan, struct verdict *verdict);

/* ---- forward.c ---- */

/* One new message with all ACTION_ADDRESS of the plan as recipients. */
void forward_submit(const struct plan *plan, struct job *job, struct verdict *verdict);
/* A message to job->sender, the owner of the alias, that a member was passed over, and why. */
void forward_tell_owner(struct job *job, const char *reason, struct verdict *verdict);

/* ---- loop.c ---- */

/* The header says that it was delivered to this address before. Negative errno: cannot be read. */
int loop_was_delivered_to(const struct delivery *d, struct view address);

/* ---- agent.c ---- */

/* Also signals the new mail. */
void agent_mailbox(const struct job *job, struct view user, uint8_t kind, struct verdict *verdict);
void agent_program(const struct job *job, const struct action *action, struct verdict *verdict);
/* 1 with the text, 0: there is none, negative: the verdict says why not now. */
int agent_source(const struct job *job, uint8_t source, const char *owner, const char *via,
		 struct str *text, struct verdict *verdict);

/* ---- signal.c ---- */

/* Has anvil tell the user's sessions of mail in INBOX, soon. */
void signal_new_mail(struct view user);

/* ---- recipient.c ---- */

/* Decides and does it; the verdict has been initialised. */
void recipient_deliver(struct delivery *d, size_t which, bool is_virtual, struct verdict *verdict);

#endif
