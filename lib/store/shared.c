/* The transaction that changes share. When it is committed is decided by those who use the store. */
#include "store/shared.h"

#include <errno.h>

#include "base/log.h"
#include "store/mailbox.h"

/*
 * After so many items something shares a commit no more. The last call may begin just below: SHARED_MESSAGES_MAX messages
 * with four items each, and the folder.
 */
#define SHARED_WRITES_MAX 5000
/* Pages that those can write, with room to spare: each item touches a leaf, may split it, and branches are few. */
#define SHARED_PAGES 16384

/* Open mailboxes show what is not there: they compare themselves with the index at the next look. */
static void shared_lost(struct store *store, int why)
{
	log_error("mailbox index %s: the last changes of flags are lost: %s", store->index,
		  strerror(-why));
	list_for_each (&store->mailboxes, struct mailbox, link, mailbox)
		mailbox->found_again = true;
}

static int shared_begin(struct store *store)
{
	int r;

	if (store->shared.txn != NULL && store->shared.writes < SHARED_WRITES_MAX)
		return 0;
	r = shared_commit(store);
	if (r < 0)
		return r;
	if (!environment_has_room(&store->env, SHARED_PAGES))
		return -ENOBUFS;
	r = tx_begin(&store->shared, store, &store->env);
	if (r == 0)
		tx_rest(&store->shared);
	return r;
}

int shared_write(struct store *store, bool (*guard)(const struct store *), store_work *work,
		 void *argument)
{
	struct tx *tx = &store->shared;
	size_t before;
	int r = shared_begin(store);

	if (r < 0)
		return r;
	before = tx->writes;
	tx_resume(tx);
	r = guard != NULL && !guard(store) ? -EAGAIN : work(tx, argument);
	tx_rest(tx);
	if (tx->result != TX_GOOD) {
		r = r < 0 ? r : -EIO;
		tx_abort(tx);
		if (before > 0)
			shared_lost(store, r);
	} else if (tx->writes == 0) {
		tx_abort(tx);
	}
	return r;
}

int shared_commit(struct store *store)
{
	int r;

	if (store->shared.txn == NULL)
		return 0;
	tx_resume(&store->shared);
	r = tx_commit(&store->shared, WRITE_DURABLE);
	if (r < 0)
		shared_lost(store, r);
	return r < 0 ? r : 1;
}
