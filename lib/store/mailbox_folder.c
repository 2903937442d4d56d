/* A mailbox and its folder's number, from one index to the next. The snapshot is mailbox.c's matter. */
#include "store/mailbox_folder.h"

#include <errno.h>

static bool is_other_folder(const struct mailbox *mailbox, const struct folder *folder)
{
	return mailbox->uidvalidity != 0 && folder->r.uidvalidity != mailbox->uidvalidity;
}

/* In an index that was never read there is no telling whether the folder is there. */
static int mailbox_missing_folder(struct tx *tx)
{
	uint64_t root_time;
	int r = meta_get(tx, "root_time", &root_time);

	return r < 0 ? r : root_time == 0 ? -EAGAIN : -ESTALE;
}

int mailbox_find_folder(struct tx *tx, struct mailbox *mailbox)
{
	struct folder folder;
	int r;

	if (mailbox->id != 0 && mailbox->generation == tx->store->generation)
		return 0;
	if (mailbox->id != 0)
		mailbox->found_again = true;
	mailbox->id = 0;
	r = folder_find(tx, view_of(mailbox->name), &folder);
	if (r == -ENOENT)
		return mailbox_missing_folder(tx);
	if (r == 0 && is_other_folder(mailbox, &folder))
		return -ESTALE;
	if (r == 0) {
		mailbox->id = folder.r.id;
		mailbox->generation = tx->store->generation;
	}
	return r;
}

int mailbox_load_folder(struct tx *tx, struct mailbox *mailbox, struct folder *folder)
{
	int r = mailbox_find_folder(tx, mailbox);

	if (r == 0)
		r = folder_load(tx, mailbox->id, folder);
	if (r == -ENOENT || (r == 0 && is_other_folder(mailbox, folder)))
		return -ESTALE;
	return r == 0 && folder->r.adopt ? -EAGAIN : r;
}
