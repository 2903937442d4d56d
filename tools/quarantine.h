/*
 * posta quarantine: what its files share.
 *
 *	verb_quarantine.c	the words; which messages, and why they are held
 *	quarantine_digest.c	telling users what is held of theirs
 */
#ifndef TOOLS_QUARANTINE_H
#define TOOLS_QUARANTINE_H

#include "base/str.h"
#include "queue/queue.h"

struct quarantined {
	char id[QUEUE_ID_LENGTH_MAX];
	uint64_t size;
	int64_t arrival;		    /* seconds */
	struct str sender, recipients, why; /* for people; recipients: a line each */
};
struct quarantine_times {
	int64_t since, until; /* seconds: what came after the one, and not after the other */
	/* "SECONDS ADDRESS" in lines: who could not be told the last time, and of what came since when. */
	struct str untold;
};
/*
 * One message to each user of this site for whom something of this is held that came in that time. Who cannot be told
 * is said on standard error, and is in `untold` afterwards. How many were told, or a negative errno: nobody.
 */
int quarantine_digest(const struct quarantined *items, size_t count,
		      struct quarantine_times *times);

#endif
