/*
 * Transactions of a store, and the growth of its index. What they do is the caller's matter; whether the
 * index is still the one that others use, follow.c's.
 */
#include "store/write.h"

#include <errno.h>

#include "store/shared.h"

/* *result: what there is to know beyond the errno. */
static int write_once(struct store *store, int how, bool (*guard)(const struct store *),
		      store_work *work, void *argument, enum tx_result *result)
{
	struct tx tx;
	int committed, r = tx_begin(&tx, store, &store->env);

	*result = tx.result;
	if (r < 0)
		return r;
	r = guard != NULL && !guard(store) ? -EAGAIN : work(&tx, argument);
	*result = tx.result;
	if (r < 0 || tx.result != TX_GOOD) {
		tx_abort(&tx);
		return r < 0 ? r : -EIO;
	}
	committed = tx_commit(&tx, how);
	*result = tx.result;
	return committed < 0 ? committed : r;
}

int write_here(struct store *store, int how, bool (*guard)(const struct store *), store_work *work,
	       void *argument)
{
	int shared;

	if (how == WRITE_SHARED) {
		shared = shared_write(store, guard, work, argument);
		if (shared != -ENOBUFS)
			return shared;
		how = WRITE_DURABLE;
	}
	shared = shared_commit(store);
	if (shared < 0)
		return shared;
	for (;;) {
		enum tx_result result;
		int r = write_once(store, how, guard, work, argument, &result);

		if (result != TX_MAP_FULL)
			return r;
		r = environment_grow(&store->env);
		if (r < 0)
			return r;
	}
}

int store_read(struct store *store, struct tx *tx)
{
	if (store->shared.txn != NULL) {
		tx_borrow(tx, &store->shared);
		return 0;
	}
	return tx_begin_reading(tx, store, &store->env);
}
