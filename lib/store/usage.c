/*
 * What a user's mail is: the sum of the folders' counters. How the counters change is index.c's matter, what
 * the limits are, quota_rules.c's.
 */
#include "store/usage.h"

#include <errno.h>

#include "base/mem.h"
#include "store/folders.h"
#include "store/sync.h"

void store_set_quota(struct store *store, const struct quota *quota)
{
	store->quota = quota;
}

const struct quota *store_quota(const struct store *store)
{
	return store->quota;
}

bool store_quota_made_room(struct store *store)
{
	bool made_room = store->made_room;

	store->made_room = false;
	return made_room;
}

/* ---- sums ---- */

static int sum_folder(struct tx *tx, struct view value, struct quota_size *used)
{
	const struct quota *quota = tx->store->quota;
	struct folder_record r;

	if (folder_record_decode(value, &r) < 0)
		return tx_damaged(tx, "folder");
	if (quota != NULL && !quota_counts(quota, r.name, r.special_use))
		return 0;
	used->bytes += r.size;
	used->messages += r.messages;
	return 0;
}

int usage_sum(struct tx *tx, struct quota_size *used)
{
	struct walk walk;
	int r;

	*used = (struct quota_size){ 0 };
	for (r = walk_begin(&walk, tx, DB_FOLDERS, VIEW_NONE, VIEW_NONE); r > 0;
	     r = walk_next(&walk)) {
		r = sum_folder(tx, walk.value, used);
		if (r < 0)
			break;
	}
	walk_end(&walk);
	return r;
}

/* ---- files that the index does not know yet ---- */

struct folder_ids {
	uint32_t *ids;
	size_t count;
};

static int list_folders(struct store *store, struct folder_ids *all)
{
	struct walk walk;
	struct tx tx;
	int r = store_read(store, &tx);

	if (r < 0)
		return r;
	for (r = walk_begin(&walk, &tx, DB_FOLDERS, VIEW_NONE, VIEW_NONE); r > 0;
	     r = walk_next(&walk)) {
		struct folder_record record;

		if (folder_record_decode(walk.value, &record) < 0) {
			r = tx_damaged(&tx, "folder");
			break;
		}
		array_grow(all->ids, all->count);
		all->ids[all->count++] = record.id;
	}
	walk_end(&walk);
	tx_end(&tx);
	return r;
}

static int usage_refresh_once(struct store *store)
{
	struct folder_ids all = { 0 };
	int r = folders_sync(store);

	if (r == 0)
		r = list_folders(store, &all);
	for (size_t i = 0; i < all.count && r >= 0; i++) {
		r = folder_sync(store, all.ids[i]);
		/* Another program removed it just now. */
		if (r == -ENOENT)
			r = 0;
	}
	free(all.ids);
	return MIN(r, 0);
}

int usage_refresh(struct store *store)
{
	int r = store->quota != NULL ? -EAGAIN : 0;

	for (int i = 0; i < FOLLOW_TRIES && r == -EAGAIN; i++)
		r = usage_refresh_once(store);
	return r;
}

/* ---- at a delivery ---- */

/* So many new messages are counted at each delivery; more of them are worth to be numbered. */
#define USAGE_NEWS_MAX 200

static void size_add(struct quota_size *size, const struct folder *folder,
		     const struct folder_news *news)
{
	size->bytes += folder->r.size + news->bytes;
	size->messages += folder->r.messages + news->messages;
}

static int usage_look_at(struct store *store, uint32_t id, struct view name,
			 struct quota_size *used, struct quota_size *here)
{
	struct folder_news news;
	struct folder folder;
	int r = folder_count_new(store, id, USAGE_NEWS_MAX, &folder, &news);

	if (r == 1) {
		r = folder_sync(store, id);
		if (r == 0)
			r = folder_count_new(store, id, SIZE_MAX, &folder, &news);
	}
	/* Something changes there just now: what is known counts. */
	r = MIN(r, 0);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (quota_counts(store->quota, folder.r.name, folder.r.special_use))
		size_add(used, &folder, &news);
	if (view_eq(folder.r.name, name))
		size_add(here, &folder, &news);
	return 0;
}

static int usage_look_once(struct store *store, struct view name, struct quota_size *used,
			   struct quota_size *here)
{
	struct folder_ids all = { 0 };
	int r = folders_sync(store);

	*used = *here = (struct quota_size){ 0 };
	if (r == 0)
		r = list_folders(store, &all);
	for (size_t i = 0; i < all.count && r >= 0; i++)
		r = usage_look_at(store, all.ids[i], name, used, here);
	free(all.ids);
	return MIN(r, 0);
}

int usage_look(struct store *store, struct view folder, struct quota_size *used,
	       struct quota_size *here)
{
	int r = -EAGAIN;

	for (int i = 0; i < FOLLOW_TRIES && r == -EAGAIN; i++)
		r = usage_look_once(store, folder, used, here);
	return r;
}

/* ---- checks ---- */

static bool has_room(const struct quota *quota, const struct quota_size *limit,
		     const struct quota_size *used, const struct quota_size *more,
		     const struct quota_size *less)
{
	struct quota_size now = { used->bytes - MIN(less->bytes, used->bytes),
				  used->messages - MIN(less->messages, used->messages) };

	/* Who is over the limit may still make it less. */
	return (more->bytes <= less->bytes && more->messages <= less->messages) ||
	       quota_has_room(quota, limit, &now, more);
}

int usage_check(struct tx *tx, const struct folder *folder, const struct quota_size *more,
		const struct quota_size *less, bool moved)
{
	const struct quota *quota = tx->store->quota;
	struct quota_size whole, own, used = { folder->r.size, folder->r.messages };
	int r;

	if (quota == NULL || !quota_counts(quota, folder->r.name, folder->r.special_use))
		return 0;
	quota_limits(quota, folder->r.name, folder->r.special_use, &whole, &own);
	if (!has_room(quota, &own, &used, more, less))
		return -EDQUOT;
	if (moved)
		return 0;
	r = usage_sum(tx, &used);
	if (r == 0 && !has_room(quota, &whole, &used, more, less))
		r = -EDQUOT;
	return r;
}

/* ---- for people ---- */

int store_quota_usage(struct store *store, struct quota_size *used)
{
	struct tx tx;
	int r = -EAGAIN;

	*used = (struct quota_size){ 0 };
	for (int i = 0; i < FOLLOW_TRIES && r == -EAGAIN; i++)
		r = usage_refresh_once(store);
	if (r == 0)
		r = store_read(store, &tx);
	if (r < 0)
		return r;
	r = usage_sum(&tx, used);
	tx_end(&tx);
	return r;
}

int store_quota_folder(struct store *store, struct view name, struct quota_size *used,
		       struct quota_size *whole, struct quota_size *own)
{
	_cleanup_(str_free) struct str normal = STR_EMPTY;
	struct folder folder = { .r = { .special_use = store_name_special_use(name) } };
	struct tx tx;
	int r = store_name_normalize(name, &normal, NULL);

	*used = *whole = *own = (struct quota_size){ 0 };
	if (r == 0)
		r = store_read(store, &tx);
	if (r < 0)
		return r;
	r = folder_find(&tx, str_view(&normal), &folder);
	tx_end(&tx);
	if (r == 0)
		*used = (struct quota_size){ folder.r.size, folder.r.messages };
	if (store->quota != NULL &&
	    quota_counts(store->quota, str_view(&normal), folder.r.special_use))
		quota_limits(store->quota, str_view(&normal), folder.r.special_use, whole, own);
	return r;
}

static int sum_deleted(struct tx *tx, uint32_t folder, uint64_t *bytes)
{
	struct key prefix = key_folder(folder);
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, DB_STATES, key_view(&prefix), key_view(&prefix)); r > 0;
	     r = walk_next(&walk)) {
		struct state_record state;
		struct mail mail;
		uint32_t id, uid;

		if (key_uid_decode(walk.key, &id, &uid) < 0 ||
		    state_record_decode(walk.value, &state) < 0) {
			r = tx_damaged(tx, "state");
			break;
		}
		if (!(state.flags & FLAG_DELETED))
			continue;
		r = mail_load(tx, folder, uid, &mail);
		if (r < 0)
			break;
		*bytes += mail_wire_size(&mail.r);
	}
	walk_end(&walk);
	return r;
}

int store_deleted_size(struct store *store, struct view name, uint64_t *bytes)
{
	_cleanup_(str_free) struct str normal = STR_EMPTY;
	struct folder folder;
	struct tx tx;
	int r = store_name_normalize(name, &normal, NULL);

	*bytes = 0;
	if (r == 0)
		r = store_read(store, &tx);
	if (r < 0)
		return r;
	r = folder_find(&tx, str_view(&normal), &folder);
	if (r == 0)
		r = sum_deleted(&tx, folder.r.id, bytes);
	tx_end(&tx);
	return r;
}
