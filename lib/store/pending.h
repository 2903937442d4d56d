/* Cache records that are not yet in the index. Of lib/store only. */
#ifndef STORE_PENDING_H
#define STORE_PENDING_H

#include "store/handle.h"

/* `db`: DB_CACHE or DB_FILTERS. */
void cache_put(struct store *store, enum db db, uint64_t content, struct view record);
/* Valid until the next cache_put or cache_flush. */
bool cache_get_pending(const struct store *store, enum db db, uint64_t content,
		       struct view *record);
/* Writes them into the index. Done by itself now and then, and when a mailbox is closed. */
int cache_flush(struct store *store);

#endif
