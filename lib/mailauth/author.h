/*
 * Whose name a message bears: the domains of its From field (RFC 5322 section 3.6.2), read so
 * strictly that no program that shows it can take it for another's.
 */
#ifndef MAILAUTH_AUTHOR_H
#define MAILAUTH_AUTHOR_H

#include "base/str.h"

#define AUTHOR_DOMAINS_MAX 5 /* RFC 9989 section 11.5 */

struct author {
	enum author_state {
		AUTHOR_NONE,	  /* no From, or nobody in it */
		AUTHOR_CLEAR,	  /* one or more addresses; their domains */
		AUTHOR_MALFORMED, /* more than one From, or one that can be read in several ways */
	} state;
	bool overflows; /* MALFORMED: there are more domains than these */
	/* No From, several (RFC 5322 section 3.6), a NUL in it, or no domain that could be asked. */
	bool is_nobody;
	const char *problem; /* of the other two, for people */
	/* A-labels, lower case, each once; of AUTHOR_MALFORMED whatever could be one. */
	struct str domains[AUTHOR_DOMAINS_MAX];
	size_t count;
};
/* author_free in all cases. */
void author_read(struct view header, struct author *author);
void author_free(struct author *author);

#endif
