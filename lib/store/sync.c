/*
 * One folder: what was delivered, and what other programs did in its directories, goes into the index. The
 * list of folders is folders.c's matter.
 */
#include "store/sync.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/deliver.h"
#include "store/directory.h"
#include "store/files.h"
#include "store/follow.h"
#include "store/leftovers.h"
#include "store/listing.h"
#include "store/owed.h"

static int64_t part_time(const struct store *store, const struct folder *folder, enum part part,
			 int64_t (*get)(const char *path))
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	folder_part_path(store, folder, part, &path);
	return get(str_cstr(&path));
}

static bool part_is_unchanged(const struct store *store, const struct folder *folder,
			      enum part part)
{
	int64_t known = part == PART_NEW ? folder->r.new_time : folder->r.cur_time;

	return known != 0 && part_time(store, folder, part, directory_time) == known;
}

/* ---- what is new ---- */

struct scan {
	struct tx *tx;
	struct folder *folder;
	uint64_t words; /* bits of the keywords that have names */
	uint64_t content;
	bool advanced;
};

static void sync_advance(struct scan *scan)
{
	if (!scan->advanced)
		folder_advance(scan->folder);
	scan->advanced = true;
}

static int read_words(struct scan *scan)
{
	struct key prefix = key_folder(scan->folder->r.id);
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, scan->tx, DB_KEYWORDS, key_view(&prefix), key_view(&prefix));
	     r > 0; r = walk_next(&walk))
		if (walk.key.len == KEY_WORD_SIZE && (unsigned char)walk.key.data[4] < KEYWORDS_MAX)
			scan->words |= 1ULL << (unsigned char)walk.key.data[4];
	walk_end(&walk);
	return r;
}

static int insert_entry(struct scan *scan, const struct entry *entry)
{
	struct state_record state = { .flags = (uint8_t)entry->parsed.flags,
				      .keywords = entry->parsed.letters & scan->words };
	struct mail_record mail = {
		.size = entry->size,
		.wire_size = file_name_wire_size(&entry->parsed, entry->size),
		.content = ++scan->content,
		.date = entry->date,
		.saved = entry->saved,
		.where = scan->folder->r.id,
		.part = (uint8_t)entry->part,
		.file = view_of(entry->name),
	};

	sync_advance(scan);
	return message_insert(scan->tx, scan->folder, &state, &mail);
}

/* Messages that had a UID before the index was made keep it. `list` is sorted by UID. */
static int insert_known(struct scan *scan, struct listing *list)
{
	struct folder_record *r = &scan->folder->r;

	for (size_t i = 0; i < list->count; i++) {
		struct entry *entry = &list->items[i];

		if (entry->taken || entry->uid == 0 || entry->uid >= r->uid_bound ||
		    entry->uid < r->uidnext)
			continue;
		r->uidnext = entry->uid;

		int result = insert_entry(scan, entry);

		if (result < 0)
			return result;
		entry->taken = true;
	}
	r->uidnext = MAX(r->uidnext, r->uid_bound);
	return 0;
}

static int insert_new(struct scan *scan, struct listing *list, enum part part)
{
	listing_sort_by_arrival(list);
	for (size_t i = 0; i < list->count; i++) {
		struct entry *entry = &list->items[i];

		if (entry->taken || (entry->part == PART_NEW) != (part == PART_NEW))
			continue;

		int r = insert_entry(scan, entry);

		if (r < 0)
			return r;
		entry->taken = true;
	}
	return 0;
}

/* What is shown stays, under its UID: a delivery may not have come to its own fsync yet. */
static int make_new_durable(struct scan *scan)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	folder_part_path(scan->tx->store, scan->folder, PART_NEW, &path);
	return io_sync_directory(str_cstr(&path));
}

static int insert_all(struct scan *scan, struct listing *list)
{
	struct folder_record *record = &scan->folder->r;
	size_t count;
	int r = listing_stat_untaken(list, &count);

	if (r == 0)
		r = meta_get(scan->tx, "content", &scan->content);
	if (r == 0 && count > 0)
		r = make_new_durable(scan);
	if (r == 0 && record->adopt) {
		listing_sort_by_uid(list);
		r = insert_known(scan, list);
	}
	if (r == 0 && (count > 0 || record->adopt))
		r = folder_reserve_uids(scan->tx, scan->folder,
					(uint32_t)MIN(count, UINT32_MAX / 2));
	if (r == 0)
		r = insert_new(scan, list, PART_CUR);
	if (record->adopt)
		record->first_recent = record->uidnext;
	if (r == 0)
		r = insert_new(scan, list, PART_NEW);
	return r < 0 ? r : meta_put(scan->tx, "content", scan->content);
}

/* ---- what other programs did in cur/ ---- */

/* A message of the index whose file has another name now, or none. */
struct difference {
	uint32_t uid;
	struct entry *entry; /* NULL: none */
};
struct differences {
	struct difference *items;
	size_t count, size, missing;
};

static void add_difference(struct differences *all, uint32_t uid, struct entry *entry)
{
	if (all->count == all->size) {
		all->size = all->size ? all->size * 2 : 16;
		all->items = mem_resize(all->items, all->size, sizeof(*all->items));
	}
	all->items[all->count++] = (struct difference){ uid, entry };
	all->missing += entry == NULL;
}

/* Its file under the name that it should have: renamed already, but the index was not told (a crash). */
static struct entry *find_target(const struct listing *list, uint32_t uid,
				 const struct mail_record *mail)
{
	const struct state_record none = { .flags = 0 };
	_cleanup_(str_free) struct str name = STR_EMPTY;

	mail_target_name(&name, uid, mail, &none);
	return listing_find(list, str_view(&name));
}

/* What has become of one message's file in cur/. */
static void compare_message(struct scan *scan, struct listing *list, struct differences *all,
			    uint32_t uid, const struct mail_record *mail)
{
	/* Moved or delivered, and not yet where it should be. */
	bool elsewhere = mail->where != scan->folder->r.id || mail->part != PART_CUR;
	struct entry *entry = elsewhere ? NULL : listing_find(list, mail->file);

	if (entry == NULL)
		entry = find_target(list, uid, mail);
	if (!elsewhere && (entry == NULL || !view_is(mail->file, entry->name)))
		add_difference(all, uid, entry);
	if (entry != NULL)
		entry->taken = true;
}

/* `list` is sorted by UID. Marks what the index knows. */
static int compare_with_index(struct scan *scan, struct listing *list, struct differences *all)
{
	struct key prefix = key_folder(scan->folder->r.id);
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, scan->tx, DB_MAILS, key_view(&prefix), key_view(&prefix)); r > 0;
	     r = walk_next(&walk)) {
		struct mail_record mail;
		uint32_t folder, uid;

		if (key_uid_decode(walk.key, &folder, &uid) < 0 ||
		    mail_record_decode(walk.value, &mail) < 0) {
			r = tx_damaged(scan->tx, "message");
			break;
		}

		compare_message(scan, list, all, uid, &mail);
	}
	walk_end(&walk);
	return r;
}

/* readdir may miss a file that is renamed meanwhile: who is missing is looked for once more. */
static int look_again(struct scan *scan, struct differences *all, struct listing *second)
{
	int r = all->missing > 0 ? listing_read(second, scan->tx->store, scan->folder, PART_CUR)
				 : 0;

	if (r < 0 || all->missing == 0)
		return r;
	listing_sort_by_uid(second);
	for (size_t i = 0; i < all->count; i++) {
		struct difference *d = &all->items[i];
		struct mail mail;

		if (d->entry != NULL || mail_load(scan->tx, scan->folder->r.id, d->uid, &mail) < 0)
			continue;
		d->entry = listing_find(second, mail.r.file);
	}
	return 0;
}

static int apply_rename(struct scan *scan, uint32_t uid, const struct entry *entry)
{
	uint32_t id = scan->folder->r.id;
	struct state_record state, now;
	struct file_name before;
	struct mail mail;
	int r = state_load(scan->tx, id, uid, &state);

	if (r == 0)
		r = mail_load(scan->tx, id, uid, &mail);
	if (r < 0)
		return r;
	now = state;
	if (file_name_parse(mail.r.file, &before)) {
		unsigned flags = before.flags ^ entry->parsed.flags;
		uint64_t letters = (before.letters ^ entry->parsed.letters) & scan->words;

		now.flags = (uint8_t)((state.flags & ~flags) | (entry->parsed.flags & flags));
		now.keywords = (state.keywords & ~letters) | (entry->parsed.letters & letters);
	}
	mail.r.file = view_of(entry->name);
	mail.r.part = PART_CUR;
	r = mail_save(scan->tx, id, uid, &mail.r);
	if (r < 0 || (now.flags == state.flags && now.keywords == state.keywords))
		return r < 0 ? r : owe_tidy(scan->tx, id, uid);
	sync_advance(scan);
	return message_change(scan->tx, scan->folder, uid, &state, &now);
}

static int apply_loss(struct scan *scan, uint32_t uid)
{
	struct state_record state;
	struct mail mail;
	int r = state_load(scan->tx, scan->folder->r.id, uid, &state);

	if (r == 0)
		r = mail_load(scan->tx, scan->folder->r.id, uid, &mail);
	if (r < 0)
		return r;
	sync_advance(scan);
	r = message_remove(scan->tx, scan->folder, uid, &state, &mail.r);
	return r < 0 ? r : content_release(scan->tx, mail.r.content);
}

static int scan_known(struct scan *scan, struct listing *list)
{
	_cleanup_(listing_free) struct listing second = { 0 };
	struct differences all = { 0 };
	int r;

	listing_sort_by_uid(list);
	r = compare_with_index(scan, list, &all);
	if (r >= 0)
		r = look_again(scan, &all, &second);
	for (size_t i = 0; i < all.count && r >= 0; i++) {
		struct difference *d = &all.items[i];

		r = d->entry != NULL ? apply_rename(scan, d->uid, d->entry)
				     : apply_loss(scan, d->uid);
	}
	free(all.items);
	return r;
}

/* ---- one folder ---- */

/* The Maildir's owner may have removed a folder, or one of its three directories. */
static int check_directories(struct tx *tx, const struct folder *folder)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	const char *root = tx->store->path[0] != '\0' ? tx->store->path : "/";

	folder_directory(tx->store, folder, &path);
	if (!view_is(folder->r.name, "INBOX") && access(str_cstr(&path), F_OK) < 0 &&
	    errno == ENOENT)
		return -ENOENT;
	return maildir_create(root, folder->r.name, NULL);
}

/* Files whose renaming or removal is owed are no news. */
static int take_owed(struct scan *scan, struct listing *list)
{
	_cleanup_(map_freep) struct map *known = map_new();
	_cleanup_(str_free) struct str key = STR_EMPTY;
	int r = owed_files(scan->tx, scan->folder->r.id, known);

	for (size_t i = 0; i < list->count && r == 0 && map_count(known) > 0; i++) {
		struct entry *entry = &list->items[i];

		if (entry->taken)
			continue;
		str_clear(&key);
		owed_key(&key, entry->part, view_of(entry->name));
		entry->taken = map_get(known, str_view(&key)) != NULL;
	}
	return r;
}

static int scan_directories(struct scan *scan)
{
	_cleanup_(listing_free) struct listing list = { 0 };
	struct folder_record *r = &scan->folder->r;
	const struct store *store = scan->tx->store;
	bool adopt = r->adopt != 0;
	bool read_cur = adopt || !part_is_unchanged(store, scan->folder, PART_CUR);
	int64_t new_time = part_time(store, scan->folder, PART_NEW, directory_stable_time);
	int64_t cur_time = part_time(store, scan->folder, PART_CUR, directory_stable_time);
	int result = read_words(scan);

	if (result == 0 && read_cur)
		result = listing_read(&list, store, scan->folder, PART_CUR);
	if (result == 0 && read_cur && !adopt)
		result = scan_known(scan, &list);
	if (result >= 0)
		result = listing_read(&list, store, scan->folder, PART_NEW);
	if (result == 0 && adopt) {
		result = listing_read_finished_tmp(&list, store, scan->folder);
		if (result == 0)
			result = listing_adopt(&list, store, scan->folder);
	}
	if (result == 0)
		result = take_owed(scan, &list);
	if (result == 0)
		result = insert_all(scan, &list);
	if (result < 0)
		return result;
	r->new_time = new_time;
	if (read_cur) {
		folder_clean_tmp(scan->tx, scan->folder);
		r->cur_time = cur_time;
	}
	r->adopt = 0;
	return 0;
}

struct sync_work {
	uint32_t id;
	unsigned generation; /* of the index that gave the number */
	bool removed;
};

static int sync_work(struct tx *tx, void *argument)
{
	struct sync_work *work = argument;
	struct folder folder;
	struct scan scan = { .tx = tx, .folder = &folder };
	int r = tx->store->generation == work->generation ? folder_load(tx, work->id, &folder)
							  : -EAGAIN;

	work->removed = false;
	if (r < 0)
		return r;
	r = check_directories(tx, &folder);
	if (r == -ENOENT) {
		log_info("folder %s in %s was removed by another program", folder.name,
			 tx->store->path);
		work->removed = true;
		return folder_erase(tx, &folder);
	}
	if (r == 0 && folder.r.adopt)
		r = keywords_restore(tx, &folder);
	if (r == 0)
		r = scan_directories(&scan);
	return r < 0 ? r : folder_save(tx, &folder);
}

int folder_sync(struct store *store, uint32_t id)
{
	struct sync_work work = { .id = id, .generation = store->generation };
	struct folder folder;
	struct tx tx;
	int r = store_read(store, &tx);

	if (r < 0)
		return r;
	r = folder_load(&tx, id, &folder);
	tx_end(&tx);
	if (r < 0)
		return r;
	if (!folder.r.adopt && part_is_unchanged(store, &folder, PART_NEW) &&
	    part_is_unchanged(store, &folder, PART_CUR))
		return 0;
	r = store_write(store, WRITE_DURABLE, sync_work, &work);
	if (r >= 0 && store->generation != work.generation)
		return -EAGAIN;
	return r >= 0 && work.removed ? -ENOENT : r;
}

/* ---- only counting ---- */

static uint64_t entry_wire_size(const struct entry *entry)
{
	uint64_t size = file_name_wire_size(&entry->parsed, entry->size);

	return size != SIZE_UNKNOWN ? size : entry->size;
}

static int count_new(struct scan *scan, size_t max, struct folder_news *news)
{
	_cleanup_(listing_free) struct listing list = { 0 };
	const struct store *store = scan->tx->store;
	size_t left;
	int r;

	if (scan->folder->r.adopt || !part_is_unchanged(store, scan->folder, PART_CUR))
		return 1;
	if (part_is_unchanged(store, scan->folder, PART_NEW))
		return 0;
	r = listing_read(&list, store, scan->folder, PART_NEW);
	if (r == 0)
		r = take_owed(scan, &list);
	if (r == 0)
		r = listing_stat_untaken(&list, &left);
	if (r == 0 && left > max)
		r = 1;
	for (size_t i = 0; i < list.count && r == 0; i++)
		if (!list.items[i].taken) {
			news->bytes += entry_wire_size(&list.items[i]);
			news->messages++;
		}
	return r;
}

int folder_count_new(struct store *store, uint32_t id, size_t max, struct folder *folder,
		     struct folder_news *news)
{
	struct tx tx;
	struct scan scan = { .tx = &tx, .folder = folder };
	int r = store_read(store, &tx);

	*news = (struct folder_news){ 0 };
	if (r < 0)
		return r;
	r = folder_load(&tx, id, folder);
	if (r == 0)
		r = count_new(&scan, max, news);
	tx_end(&tx);
	return r;
}
