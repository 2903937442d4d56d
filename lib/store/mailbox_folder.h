/*
 * Which folder an open mailbox is. Its number belongs to an index: in the next generation of it
 * (store/follow.h) it is looked up by name, when it is needed. Of lib/store only.
 */
#ifndef STORE_MAILBOX_FOLDER_H
#define STORE_MAILBOX_FOLDER_H

#include "store/mailbox.h"

/*
 * The folder's number in the index that is open, into mailbox->id. -ESTALE: it is gone, or of that name is
 * another one now; -EAGAIN: the index is new and does not know it yet; mailbox_sync reads it.
 */
int mailbox_find_folder(struct tx *tx, struct mailbox *mailbox);
/* Its record, too; -EAGAIN also where its files have not been read yet. */
int mailbox_load_folder(struct tx *tx, struct mailbox *mailbox, struct folder *folder);

#endif
