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
 * imap4flags (5232), subaddress (5233), date and index (5260), mailbox (5490), vacation and
 * vacation-seconds (5230, 6131).
 */
#ifndef SIEVE_SIEVE_H
#define SIEVE_SIEVE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

#define SIEVE_SCRIPT_MAX 262144
#define SIEVE_STEPS_MAX                                                                            \
	200000 /* of one run: commands, tests, comparisons, each 1024 bytes looked at */
#define SIEVE_ACTIONS_MAX   32
#define SIEVE_REDIRECTS_MAX 4
#define SIEVE_VARIABLES_MAX 256
#define SIEVE_VALUE_MAX	    8192 /* bytes of a variable */
#define SIEVE_FLAGS_MAX	    64

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

struct sieve_message {
	struct view content;	       /* header and body, CRLF or LF line ends */
	struct view sender, recipient; /* of the envelope */
	const char *delimiters;	       /* recipient_delimiter */
	int64_t now;		       /* seconds since 1970 */
	struct view host_name, client_address, client_name; /* for environment, or empty */
	/* NULL: all mailboxes are said to exist. */
	bool (*mailbox_exists)(void *argument, struct view name);
	void *argument;
};

enum sieve_action_kind {
	SIEVE_KEEP,	/* into INBOX */
	SIEVE_FILEINTO, /* folder `text` */
	SIEVE_REDIRECT, /* to the address `text` */
	SIEVE_REJECT,	/* refused with the reason `text` */
	SIEVE_VACATION, /* an answer `text` */
};
struct sieve_action {
	enum sieve_action_kind kind;
	unsigned line; /* of the script; 0: the implicit keep */
	struct str text;
	struct str flags; /* of KEEP and FILEINTO: "\\Seen $Junk" */
	bool create;	  /* FILEINTO: the folder is made if it is not there */
	/* VACATION: */
	struct str subject, from, handle;
	struct str addresses; /* further ones of the user's, a line each */
	uint64_t seconds;     /* within which the same sender gets no second one */
	bool mime;
};
struct sieve_result {
	struct sieve_action *actions;
	size_t count;
	struct sieve_problem problem; /* line 0: none */
};
/* 0, or -EINVAL: the problem is set, and the only action is keep. */
int sieve_run(const struct sieve_script *script, const struct sieve_message *message,
	      struct sieve_result *result);
void sieve_result_free(struct sieve_result *result);
const char *sieve_action_name(enum sieve_action_kind kind);

#endif
