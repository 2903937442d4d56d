#include "store/follow.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/owed.h"
#include "store/sync.h"

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
static void forget_contents(struct store *store)
{
	map_for_each (store->pending, i)
		free(map_value_at(store->pending, i));
	map_free(store->pending);
	store->pending = map_new();
	store->pending_bytes = 0;
}

/*
 * The folder of an open mailbox, read from its files. If that is not possible now, whoever uses the
 * mailbox next tries again, or learns that the folder is gone.
 */
static void find_again(struct store *store, struct mailbox *mailbox)
{
	int r = mailbox_find_folder(mailbox);

	if (r == 0)
		r = folder_sync(store, mailbox->id);
	if (r == 0)
		r = mailbox_read_words_now(mailbox);
	if (r < 0 && r != -ENOENT && r != -EAGAIN)
		log_warning("folder %s in %s: %s", mailbox->name, store->path, strerror(-r));
}

static int renew(struct store *store)
{
	struct error err = ERROR_NONE;
	int r = env_renew(store, follow_settle_old, &err);

	if (r < 0) {
		log_error("%s", err.text);
		/* It would mean that a folder or a message is not there. */
		return r == -ENOENT ? -EIO : r;
	}
	log_info("mailbox index %s was deleted, or made again by another process: opened anew",
		 store->index);
	store->generation++;
	forget_contents(store);
	list_for_each (&store->mailboxes, struct mailbox, link, mailbox)
		mailbox_forget_folder(mailbox);
	r = folders_read(store);
	if (r < 0)
		return r;
	list_for_each (&store->mailboxes, struct mailbox, link, mailbox)
		find_again(store, mailbox);
	return 0;
}

int store_follow(struct store *store)
{
	int r = 0;

	if (store->following)
		return -EAGAIN;
	store->following = true;
	for (int i = 0; i < FOLLOW_TRIES && !env_is_current(store); i++)
		r = renew(store);
	store->following = false;
	return r;
}
