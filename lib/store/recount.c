/*
 * The folders' counters, made anew from their messages in the index. They change with the messages in one transaction, so
 * that there is nothing to find here but a fault of ours, or of the disk.
 */
#include <errno.h>

#include "base/mem.h"
#include "store/folders.h"
#include "store/quota.h"

struct recount {
	size_t wrong;
	uint32_t *ids;
	size_t count;
};

static int recount_list(struct tx *tx, struct recount *recount)
{
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, DB_FOLDERS, VIEW_NONE, VIEW_NONE); r > 0;
	     r = walk_next(&walk)) {
		struct folder_record record;

		if (folder_record_decode(walk.value, &record) < 0) {
			r = tx_damaged(tx, "folder");
			break;
		}
		array_grow(recount->ids, recount->count);
		recount->ids[recount->count++] = record.id;
	}
	walk_end(&walk);
	return r;
}

static int recount_message(struct tx *tx, const struct walk *walk, struct folder_record *r)
{
	struct mail_record mail;
	struct state_record state;
	uint32_t id, uid;

	if (key_uid_decode(walk->key, &id, &uid) < 0 || mail_record_decode(walk->value, &mail) < 0)
		return tx_damaged(tx, "message");
	r->messages++;
	r->size += mail_wire_size(&mail);
	r->unsized += mail.wire_size == SIZE_UNKNOWN;
	if (state_load(tx, id, uid, &state) < 0)
		return tx_damaged(tx, "state");
	r->unseen += (state.flags & FLAG_SEEN) == 0;
	r->deleted += (state.flags & FLAG_DELETED) != 0;
	return 1;
}

static int recount_folder(struct tx *tx, uint32_t id, struct recount *recount)
{
	struct key prefix = key_folder(id);
	struct folder folder;
	struct folder_record before;
	struct walk walk;
	int r = folder_load(tx, id, &folder);

	if (r < 0)
		return r;
	before = folder.r;
	folder.r.messages = folder.r.unseen = folder.r.deleted = folder.r.unsized = 0;
	folder.r.size = 0;
	for (r = walk_begin(&walk, tx, DB_MAILS, key_view(&prefix), key_view(&prefix)); r > 0;
	     r = walk_next(&walk))
		if ((r = recount_message(tx, &walk, &folder.r)) < 0)
			break;
	walk_end(&walk);
	if (r < 0 || (before.messages == folder.r.messages && before.unseen == folder.r.unseen &&
		      before.deleted == folder.r.deleted && before.size == folder.r.size &&
		      before.unsized == folder.r.unsized))
		return r;
	recount->wrong++;
	return folder_save(tx, &folder);
}

static int recount_work(struct tx *tx, void *argument)
{
	struct recount *recount = argument;
	int r;

	recount->wrong = recount->count = 0;
	r = recount_list(tx, recount);
	for (size_t i = 0; i < recount->count && r == 0; i++)
		r = recount_folder(tx, recount->ids[i], recount);
	return r;
}

int store_recount(struct store *store)
{
	struct recount recount = { 0 };
	struct quota_size used;
	int r = store_quota_usage(store, &used);

	if (r == 0)
		r = folders_write(store, recount_work, &recount);
	free(recount.ids);
	return r < 0 ? r : (int)recount.wrong;
}
