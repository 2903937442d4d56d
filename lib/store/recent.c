/* Who may say \Recent of which messages. Each is told to one session alone. */
#include "store/recent.h"

#include <errno.h>

#include "store/mailbox_folder.h"

uint32_t recent_first(const struct store *store, const struct folder *folder)
{
	uint32_t first = folder->r.first_recent;

	list_for_each (&store->mailboxes, const struct mailbox, link, mailbox)
		if (mailbox->id == folder->r.id && mailbox->generation == store->generation)
			first = MAX(first, mailbox->claimed);
	return first;
}

void recent_claim(struct mailbox *mailbox, const struct folder *folder)
{
	if (mailbox->mode == MAILBOX_READ_WRITE && folder->r.first_recent < folder->r.uidnext)
		mailbox->claimed = folder->r.uidnext;
}

bool recent_is_owed(const struct store *store)
{
	list_for_each (&store->mailboxes, const struct mailbox, link, mailbox)
		if (mailbox->claimed != 0)
			return true;
	return false;
}

static int settle_one(struct tx *tx, struct mailbox *mailbox)
{
	struct folder folder;
	int r = mailbox_load_folder(tx, mailbox, &folder);

	if (r == -ESTALE || r == -EAGAIN)
		return 0;
	if (r < 0 || folder.r.first_recent >= mailbox->claimed)
		return r;
	folder.r.first_recent = mailbox->claimed;
	return folder_save(tx, &folder);
}

int recent_settle(struct tx *tx)
{
	int r = 0;

	list_for_each (&tx->store->mailboxes, struct mailbox, link, mailbox)
		if (mailbox->claimed != 0 && r == 0)
			r = settle_one(tx, mailbox);
	return r;
}

void recent_settled(struct store *store)
{
	list_for_each (&store->mailboxes, struct mailbox, link, mailbox)
		mailbox->claimed = 0;
}
