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
/*
 * One message to each user of this site for whom something of this is held that came after `since` and
 * not after `until`. How many were told, or a negative errno: the rest was not.
 */
int quarantine_digest(const struct quarantined *items, size_t count, int64_t since, int64_t until);

#endif
