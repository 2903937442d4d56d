/*
 * How much each account has sent lately by SMTP with a password: messages, recipients, recipients
 * that it never wrote to before, and mail that came back. An account that goes over one of its limits
 * (smtpd_login_..._limit) is stopped, and stays so until the administrator lets it go (posta user
 * unlock): its password is somebody else's, most likely. What follows from it is done by who asks.
 *
 *	senders_open	finds what was known before
 *	senders_count	a message begins; is it to be held?
 *	senders_bounce	some of its mail came back
 *
 * All is in one table of fixed size in a file that is mapped into memory, so it survives the program
 * and takes no call to keep; a crash of the system may take the last half minute. An account has its
 * place by a digest of its name in one of SENDERS_WAYS slots, where one that is not stopped and was
 * not heard of for the longest time makes room.
 *
 * Whom an account has written to is in two Bloom filters: when one is full, it becomes the older one,
 * which is asked too, and a new one begins. So a few percent of new recipients are taken for known.
 */
#ifndef ANVIL_SENDERS_H
#define ANVIL_SENDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/view.h"

#define SENDERS_MAX  4096 /* accounts; more push those out that sent nothing for the longest time */
#define SENDERS_WAYS 8

/* What is counted, each for an hour and for a day. */
enum senders_kind {
	SENDERS_MESSAGES,
	SENDERS_RECIPIENTS,
	SENDERS_NEW,
	SENDERS_BOUNCES,
	SENDERS_KINDS
};

enum senders_state { SENDERS_FREE, SENDERS_STOPS /* by this very event */, SENDERS_STOPPED };
struct senders_answer {
	enum senders_state state;
	const char *reason; /* "more than 300 messages in an hour"; valid until the next call */
};

/*
 * `path`: where the table is kept, or NULL. A file that is not ours or cannot be used is not touched:
 * a negative errno with the reason, and the table is in memory alone. Before confinement.
 */
int senders_open(const char *path, struct error *err);
void senders_close(void);
/* `recipients`: a digest of SENDER_DIGEST_SIZE bytes for each (services/clients.h). */
void senders_count(struct view account, uint32_t messages, struct view recipients, int64_t now,
		   struct senders_answer *answer);
void senders_bounce(struct view account, uint32_t recipients, int64_t now,
		    struct senders_answer *answer);
/* Whether it is stopped; nothing is counted. */
void senders_look(struct view account, struct senders_answer *answer);
/* Lets it go, and begins to count anew. False: it was not stopped. */
bool senders_release(struct view account);
/* The next that is stopped from *place (0 at first) on, its name; empty at the end. */
struct view senders_next_stopped(size_t *place, struct senders_answer *answer, int64_t *since);

#endif
