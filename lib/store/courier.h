/*
 * What a Courier server has left in a Maildir. Of lib/store only. Functions return 0, also where there is nothing of it,
 * or a negative errno: it cannot be read now.
 *
 *	courierimapuiddb		UIDs: read by uidlist.c
 *	courierimapkeywords/:list	keywords, one a line; an empty line; "<file>:<number> <number>..."
 *	courierpop3dsizelist		"/2 ...", then "<file> <size> <uid>:<uidvalidity>"
 *	courierimapsubscribed		folders, "INBOX." in front of each
 */
#ifndef STORE_COURIER_H
#define STORE_COURIER_H

#include "base/map.h"
#include "store/listing.h"

/* The keywords of a folder into DB_KEYWORDS, the first 26 with their numbers. */
int courier_keywords_restore(struct tx *tx, const struct folder *folder, const char *directory);
/* The same messages' letters, for those that have any. */
int courier_keywords_adopt(struct listing *list, const char *directory);
/* Adds UIDLs of messages that the map does not know yet: base names to text, each to be freed. */
int courier_uidls_read(const char *directory, struct map *uidls);
/* Calls `each` for the names of folders as they are here. */
int courier_subscriptions_read(const char *maildir, int (*each)(void *argument, struct view name),
			       void *argument);

#endif
