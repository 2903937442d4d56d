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
/*
 * For who only wants to know how much there is: what deliveries have left in new/ and the index does not know. Nothing is written.
 * *folder gets what the index has. 1: it is more than `max` messages, or not only that: folder_sync finds out.
 */
struct folder_news {
	uint64_t bytes, messages;
};
int folder_count_new(struct store *store, uint32_t id, size_t max, struct folder *folder,
		     struct folder_news *news);

#endif
