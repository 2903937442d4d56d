/*
 * greylist: who has come before. A client that nobody knows is asked to come again later, which most that
 * send junk never do. smtpd asks for each recipient (reject_greylisted), cleanup tells whom our own
 * users write to: their answers do not wait.
 *
 *	known.c		what is known, and what follows from it; over the cache
 *	main.c		the program: its cache, questions
 */
#ifndef GREYLIST_GREYLIST_H
#define GREYLIST_GREYLIST_H

#include "cache/cache.h"

/* Of one question. Addresses in any case. */
struct greylist_question {
	struct view client; /* an IP address as text */
	struct view sender; /* empty: the null sender */
	struct view recipient;
};
/*
 * Seconds that the client has to wait; 0: it is let in. Clients of one network (/24, /64) are one: large
 * senders come again from another address.
 */
int64_t greylist_look(struct cache_file *cache, const struct greylist_question *question,
		      int64_t now);
/* One of our users has written to that address: what it sends us is let in. */
void greylist_note_correspondent(struct cache_file *cache, struct view address, int64_t now);

#endif
