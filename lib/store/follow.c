/*
 * Going on with another index. How its files are found and made is index_files.c's matter, what it has to
 * be told of the files, that of folders.c and sync.c.
 */
#include "store/follow.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/index_files.h"
#include "store/owed.h"
#include "store/shared.h"

/* The last transaction in an index that was deleted. */
static int follow_settle_old(struct tx *tx, void *argument)
{
	const bool *first = argument;

	/*
	 * Where another process has made a new index already, the name of a folder that was deleted may
	 * be another folder's by now.
	 */
	return owed_settle_last(tx, *first);
}

/* What is known by numbers of the old index. */
static void follow_forget_contents(struct store *store)
{
	map_for_each (store->pending, i)
		free(map_value_at(store->pending, i));
	map_free(store->pending);
	store->pending = map_new();
	store->pending_bytes = 0;
}

static int follow_once(struct store *store)
{
	struct error err = ERROR_NONE;
	int r;

	/* Whether or not it can be: the files get from the old index what stands in it. */
	(void)shared_commit(store);
	r = index_renew(store, follow_settle_old, &err);

	if (r < 0) {
		log_error("%s", err.text);
		/* It would mean that a folder or a message is not there. */
		return r == -ENOENT ? -EIO : r;
	}
	log_info("mailbox index %s was deleted, or made again by another process: opened anew",
		 store->index);
	store->generation++;
	follow_forget_contents(store);
	return 0;
}

int store_follow(struct store *store)
{
	int r = 0;

	for (int i = 0; i < FOLLOW_TRIES && !index_is_current(store); i++)
		r = follow_once(store);
	return r;
}

int store_commit(struct store *store)
{
	int r = shared_commit(store);

	/* As store_write does. */
	return r > 0 ? store_follow(store) : r;
}

bool store_is_committed(const struct store *store)
{
	return store->shared.txn == NULL;
}

int store_write(struct store *store, int how, store_work *work, void *argument)
{
	unsigned generation = store->generation;
	int followed = 0, r = write_here(store, how, index_is_current, work, argument);

	if (r == -EAGAIN && index_is_current(store))
		return r; /* the work's own */
	/*
	 * What was written into an index that was deleted just then is lost, unless the files follow
	 * it at once.
	 */
	if (r == -EAGAIN || r == -EUCLEAN || (r >= 0 && how == WRITE_DURABLE))
		followed = store_follow(store);
	if (followed < 0)
		return followed;
	return r == -EUCLEAN && store->generation != generation ? -EAGAIN : r;
}
