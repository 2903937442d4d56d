/*
 * \Recent is for the session that is told of a message first. What an open mailbox has told is claimed
 * in the index later, together with other work: until then another process may think the same of the
 * message, which RFC 3501 2.3.2 allows. Of lib/store only.
 */
#ifndef STORE_RECENT_H
#define STORE_RECENT_H

#include "store/mailbox.h"

/* The first UID that nobody has been told of. */
uint32_t recent_first(const struct store *store, const struct folder *folder);
/* All that it has shown is its own. */
void recent_claim(struct mailbox *mailbox, const struct folder *folder);
/* Is anything claimed that the index does not know? */
bool recent_is_owed(const struct store *store);
/* Writes the claims of all open mailboxes down; recent_settled() once that is committed. */
int recent_settle(struct tx *tx);
void recent_settled(struct store *store);

#endif
