/*
 * Removing messages for good, index first. A crash in between leaves a file that is removed later.
 */
#include <errno.h>

#include "base/mem.h"
#include "store/mailbox_folder.h"

struct expunge_work {
	struct mailbox *mailbox;
	const uint32_t *seqs; /* NULL: all of the snapshot */
	size_t count;
	bool deleted_only;
	size_t expunged;
};

static int expunge_work(struct tx *tx, void *argument)
{
	struct expunge_work *work = argument;
	struct folder folder;
	int r = mailbox_load_folder(tx, work->mailbox, &folder);

	work->expunged = 0;
	if (r < 0 || (work->deleted_only && folder.r.deleted == 0))
		return r;
	folder_advance(&folder);
	for (size_t i = 0; i < work->count && r == 0; i++) {
		uint32_t seq = work->seqs != NULL ? work->seqs[i] : (uint32_t)i + 1;
		uint32_t uid = mailbox_uid(work->mailbox, seq);
		struct state_record state;

		r = state_load(tx, folder.r.id, uid, &state);
		if (r == -ENOENT) {
			r = 0;
			continue;
		}
		if (r < 0 || (work->deleted_only && !(state.flags & FLAG_DELETED)))
			continue;
		r = message_expunge(tx, &folder, uid);
		work->expunged++;
	}
	return r < 0 || work->expunged == 0 ? r : folder_save(tx, &folder);
}

static int expunge(struct expunge_work *work)
{
	if (work->mailbox->mode != MAILBOX_READ_WRITE)
		return -EPERM;
	if (work->seqs == NULL)
		work->count = work->mailbox->count;
	return mailbox_write(work->mailbox, WRITE_DURABLE, expunge_work, work);
}

int mailbox_expunge(struct mailbox *mailbox, const uint32_t *seqs, size_t count, size_t *count_out)
{
	struct expunge_work work = { mailbox, seqs, count, true, 0 };
	int r = expunge(&work);

	if (count_out != NULL)
		*count_out = work.expunged;
	return r;
}

int mailbox_remove(struct mailbox *mailbox, const uint32_t *seqs, size_t count)
{
	struct expunge_work work = { mailbox, seqs, count, false, 0 };

	return seqs == NULL ? 0 : expunge(&work);
}
