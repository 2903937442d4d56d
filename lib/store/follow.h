/*
 * When the index was deleted, set aside, or another made, under a store that is open. Of lib/store only.
 *
 * The files that a process has open then stay with it, but what it reads there grows old and what it
 * writes there is lost. So each use of a store that begins something (a folder is opened, looked at
 * again, listed, changed) first calls store_follow, and each transaction that writes looks once more
 * when it has begun, and when it is durable. Following opens the next index and counts up
 * store->generation; nothing else is told. Whoever holds a number of the old one sees by the generation that
 * it has to look again (mailbox_folder.h, folders.h).
 */
#ifndef STORE_FOLLOW_H
#define STORE_FOLLOW_H

#include "store/write.h"

/* Somebody who deletes the index again and again is not followed forever. */
#define FOLLOW_TRIES 5

/*
 * Nothing, if the index that is open is the one that others open. Else the files get what the old one
 * still owes to them, and the new one is opened or made. No transaction may be open.
 */
int store_follow(struct store *store);
/*
 * 0 or more: what `work` returned, committed; negative: nothing happened. -EAGAIN: the index was another
 * one by now and has been followed to; what the work rests on must be looked up again.
 */
int store_write(struct store *store, int how, store_work *work, void *argument);

#endif
