/* Files to index: what was delivered, and what other programs did. Of lib/store only. */
#ifndef STORE_SYNC_H
#define STORE_SYNC_H

#include "store/index.h"

/*
 * Brings the index up to what is in the folder's directories; looks only at their times when nothing
 * changed. 0, -ENOENT if the folder is gone (it is then gone from the index, too), -EAGAIN if the index
 * is another than it was (the folder must be looked up again), or another errno.
 */
int folder_sync(struct store *store, uint32_t id);

#endif
