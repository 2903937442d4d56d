/*
 * Sieve (RFC 5228): scripts of users that say where their mail goes. Pure code: a script and a
 * message come in, a list of actions comes out; whoever asked does them.
 *
 *	r = sieve_compile(text, &script, &problem);	-EINVAL: problem.line, .column, .text
 *	r = sieve_run(script, &message, &result);	-EINVAL: a problem while it ran
 *	for (size_t i = 0; i < result.count; i++)	in the order in which they are to be done
 *		do(&result.actions[i]);
 *	sieve_result_free(&result);
 *	sieve_free(script);
 *
 * A script that fails leaves one action, keep. All that a script can ask for is bounded: steps,
 * memory, actions, redirects. A compiled script is not changed by running and may be run again.
 *
 * Extensions: fileinto, reject, ereject (RFC 5429), envelope, encoded-character, copy (RFC 3894),
 * body (5173), environment (5183), variables (5229), relational (5231), comparator-i;ascii-numeric,
 * imap4flags (5232), subaddress (5233), date and index (5260), mailbox (5490), mailboxid (9042),
 * special-use (8579), vacation and vacation-seconds (5230, 6131), duplicate (7352), editheader (5293),
 * ihave (5463), include (6609), regex (draft), spamtest, spamtestplus and virustest (5235), enotify
 * by mailto (5435, 5436), mime, foreverypart and extracttext (5703).
 */
#ifndef SIEVE_SIEVE_H
#define SIEVE_SIEVE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

#define SIEVE_SCRIPT_MAX 1048576
/* Where the message does not say others: */
#define SIEVE_STEPS_MAX                                                                            \
	200000 /* of one run: commands, tests, comparisons, each 1024 bytes looked at */
#define SIEVE_ACTIONS_MAX   32
#define SIEVE_REDIRECTS_MAX 4
#define SIEVE_VARIABLES_MAX 256
#define SIEVE_VALUE_MAX	    8192 /* bytes of a variable */
#define SIEVE_FLAGS_MAX	    64
#define SIEVE_KEY_LENGTH    32 /* hex digits of what is remembered */

struct sieve_problem {
	unsigned line, column;
	char text[200];
};

struct sieve_script;
/* 0 with *script, or -EINVAL with the problem. */
int sieve_compile(struct view text, struct sieve_script **script, struct sieve_problem *problem);
/* NULL is allowed. */
void sieve_free(struct sieve_script *script);
void sieve_freep(struct sieve_script **script);
/* What `require` knows, with blanks between. */
const char *sieve_extensions(void);

/* What a script may ask of the place where it runs. What is NULL says: there is none. */
struct sieve_host {
	bool (*mailbox_exists)(void *argument, struct view name);
	/*
	 * The folder with this MAILBOXID (RFC 9042), or with this special use ("\\Junk", RFC 8579).
	 * Adds to *looked how many were looked at: each is a step of the script.
	 */
	bool (*mailbox_by_id)(void *argument, struct view id, struct str *name, size_t *looked);
	bool (*mailbox_by_use)(void *argument, struct view use, struct str *name, size_t *looked);
	bool (*mailbox_has_use)(void *argument, struct view name, struct view use);
	/* Has a message with this key been there (RFC 7352)? */
	bool (*was_seen)(void *argument, struct view key);
	/*
	 * A script of the user's, or `global` one of the administrator's (RFC 6609), which stays as long
	 * as the run. NULL: there is none, or it has a problem.
	 */
	const struct sieve_script *(*included)(void *argument, bool global, struct view name,
					       struct sieve_problem *problem);
};

struct sieve_message {
	struct view content;	       /* header and body, CRLF or LF line ends */
	struct view sender, recipient; /* of the envelope */
	struct view original;	       /* the recipient before aliases, also the user; or empty */
	const char *delimiters;	       /* recipient_delimiter */
	int64_t now;		       /* seconds since 1970 */
	struct view host_name, client_address, client_name; /* for environment, or empty */
	const struct sieve_host *host; /* NULL: all mailboxes are said to exist */
	void *argument;		       /* for its functions */
	/* Fields of a filter in front (RFC 5235), or empty; the score that is certainly spam, 0: 10. */
	struct view spam_field, virus_field;
	unsigned spam_max;
	size_t steps_max, actions_max, redirects_max; /* 0: as above */
};

enum sieve_action_kind {
	SIEVE_KEEP,	/* into INBOX */
	SIEVE_FILEINTO, /* folder `text` */
	SIEVE_REDIRECT, /* to the address `text` */
	SIEVE_REJECT,	/* refused with the reason `text` */
	SIEVE_VACATION, /* an answer `text` */
	SIEVE_REMEMBER, /* the key `text`, for was_seen, for so many seconds */
	SIEVE_NOTIFY,	/* the address `text` is told of the message */
};
struct sieve_action {
	enum sieve_action_kind kind;
	unsigned line; /* of the script; 0: the implicit keep */
	struct str text;
	struct str flags; /* of KEEP and FILEINTO: "\\Seen $Junk" */
	bool create;	  /* FILEINTO: the folder is made if it is not there */
	/* VACATION, NOTIFY: */
	struct str subject, from;
	/* NOTIFY: */
	struct str body;
	unsigned importance; /* 1: high, to 3 */
	/* VACATION: */
	struct str handle;
	struct str addresses; /* further ones of the user's, a line each */
	uint64_t seconds;     /* within which the same sender gets no second one */
	bool mime;
};
struct sieve_result {
	struct sieve_action *actions;
	size_t count;
	struct str content; /* the message as the script has changed it; empty: as it was */
	struct sieve_problem problem; /* line 0: none */
	size_t script;		      /* which of several had it, or ended it; else their count */
	bool kept;		      /* the last one that ran keeps the message */
};
/* 0, or -EINVAL: the problem is set, and the only action is keep. */
int sieve_run(const struct sieve_script *script, const struct sieve_message *message,
	      struct sieve_result *result);
/*
 * Several, one after the other, each of which may end it by not keeping the message. One that
 * fails ends it too (-EINVAL): of what it wanted nothing is left, and the message is kept, beside
 * what was wanted before it. Flags of a message that is kept go on to the next script.
 */
int sieve_run_several(const struct sieve_script *const *scripts, size_t count,
		      const struct sieve_message *message, struct sieve_result *result);
void sieve_result_free(struct sieve_result *result);
const char *sieve_action_name(enum sieve_action_kind kind);

/* ---- vacation.c: answers (RFC 5230, RFC 3834) ---- */

/* NULL: an answer is due, if the sender has not had one; else why none is. */
const char *sieve_vacation_refusal(const struct sieve_message *message,
				   const struct sieve_action *action);
/* What stands for "the same answer to the same sender", in hex. */
void sieve_vacation_key(const struct sieve_message *message, const struct sieve_action *action,
			struct str *key);
/* The answer, with CRLF. */
void sieve_vacation_compose(const struct sieve_message *message, const struct sieve_action *action,
			    struct str *out);

/* ---- notify.c: notifications by mail (RFC 5436) ---- */

/* NULL: a notification is due; else why none is. */
const char *sieve_notify_refusal(const struct sieve_message *message);
void sieve_notify_compose(const struct sieve_message *message, const struct sieve_action *action,
			  struct str *out);

/* ---- duplicate.c ---- */

/* What stands for "this message to that address", in hex. False: the message has no id to go by. */
bool sieve_redirect_key(const struct sieve_message *message, struct view address, struct str *key);

#endif
