/* Transactions of a store: once more when the map must grow. Of lib/store only. */
#ifndef STORE_WRITE_H
#define STORE_WRITE_H

#include "store/handle.h"

/*
 * Work in a write transaction is a function, because it is done again from the start when the map had
 * to grow in the middle of it: it must not change what it cannot change twice. 0 or more: done.
 */
typedef int store_work(struct tx *tx, void *argument);

/*
 * In the index that is open, whatever others have by now: what `work` returned, committed; negative:
 * nothing happened. `guard` (may be NULL) is asked when the transaction has begun: where it says no,
 * nothing is done, and -EAGAIN comes back.
 */
int write_here(struct store *store, int how, bool (*guard)(const struct store *), store_work *work,
	       void *argument);

/* A read transaction; never held over a return to the user of lib/store. */
int store_read(struct store *store, struct tx *tx);

#endif
