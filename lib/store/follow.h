/*
 * When the index was deleted, or another made, under a store that is open. Of lib/store only.
 *
 * An administrator may delete posta.index at any time. The files that a process has open then stay
 * with it, but what it reads there grows old and what it writes there is lost. So each use of a store
 * that begins something (a folder is opened, looked at again, listed, changed) first calls
 * store_follow, and each transaction that writes looks once more when it has begun, and when it is
 * durable.
 */
#ifndef STORE_FOLLOW_H
#define STORE_FOLLOW_H

#include "store/mailbox.h"

/* Somebody who deletes the index again and again is not followed forever. */
#define FOLLOW_TRIES 5

/*
 * Nothing, if the index that is open is the one that others open. Else the files get what the old one
 * still owes to them, the new one is opened or made from the files, and the mailboxes that are open
 * find their folders in it. No transaction may be open. -EAGAIN inside itself: the new index was
 * deleted, too, before it could be used.
 */
int store_follow(struct store *store);

#endif
