#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/deliver.h"
#include "store/files.h"
#include "store/follow.h"
#include "store/owed.h"
#include "store/recent.h"
#include "store/sync.h"

/* ---- opening a store ---- */

/* Owed work done at the end of a session at most, so that closing does not take forever. */
#define CLOSE_BATCHES 20

int store_open(const char *maildir, const struct store_options *options, struct store **out,
	       struct error *err)
{
	_cleanup_(store_closep) struct store *store = mem_new(struct store);
	struct str path = STR_EMPTY, index = STR_EMPTY;
	int r = 0;

	if (maildir[0] != '/')
		return error_set(err, -EINVAL, "the Maildir's path is not absolute: %s", maildir);
	folder_path_append(&path, maildir, VIEW_NONE);
	str_printf(&index, "%s/posta.index", str_cstr(&path));
	store->path = str_take(&path);
	store->index = str_take(&index);
	str_printf(&path, "%s/data.mdb", store->index);
	str_printf(&index, "%s/lock.mdb", store->index);
	store->data_file = str_take(&path);
	store->lock_file = str_take(&index);
	list_init(&store->mailboxes);
	store->limit = options->index_limit ? options->index_limit : STORE_INDEX_LIMIT;
	store->pending = map_new();
	if (options->create)
		r = maildir_create(maildir, VIEW_NONE, err);
	else if (access(maildir, F_OK) < 0)
		r = error_errno(err, "Maildir %s", maildir);
	if (r == 0)
		r = env_open(store, err);
	if (r < 0)
		return r;
	r = folders_sync(store);
	if (r < 0)
		return error_code(err, r, "read the folders of %s", maildir);
	/* What a crash left half done comes first in line: files and index agree again from here on. */
	(void)store_settle(store, STORE_SETTLE_BATCH);
	*out = TAKE(store);
	return 0;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	for (int i = 0; store->env.mdb != NULL && i < CLOSE_BATCHES; i++)
		if (store_settle(store, STORE_SETTLE_BATCH) <= 0)
			break;
	env_close(store);
	if (store->pending != NULL) {
		map_for_each (store->pending, i)
			free(map_value_at(store->pending, i));
		map_free(store->pending);
	}
	free(store->path);
	free(store->index);
	free(store->data_file);
	free(store->lock_file);
	free(store);
}

void store_closep(struct store **store)
{
	store_close(*store);
}

const char *store_path(const struct store *store)
{
	return store->path[0] != '\0' ? store->path : "/";
}

/* ---- folders that others made or removed ---- */

static bool is_folder_directory(const struct store *store, const char *entry)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, normal = STR_EMPTY;
	struct view name = view_from(view_of(entry), 1);
	struct stat st;

	/* A name that has a nicer form would be found under that one only. */
	if (entry[0] != '.' || store_name_normalize(name, &normal, NULL) < 0 ||
	    !view_eq(str_view(&normal), name) || view_is(name, "INBOX"))
		return false;
	str_printf(&path, "%s/%s/cur", store->path, entry);
	return stat(str_cstr(&path), &st) == 0 && S_ISDIR(st.st_mode);
}

static int add_missing_folders(struct tx *tx, struct map *seen)
{
	DIR *directory = opendir(store_path(tx->store));
	struct dirent *entry;
	struct folder folder;
	size_t count = 0;
	int r = folder_find(tx, VIEW("INBOX"), &folder);

	if (r == -ENOENT)
		r = folder_insert(tx, VIEW("INBOX"), &folder);
	if (directory == NULL)
		return -errno;
	map_put(seen, VIEW("INBOX"), seen);
	while (r == 0 && (entry = readdir(directory)) != NULL && count < STORE_FOLDERS_MAX) {
		if (!is_folder_directory(tx->store, entry->d_name))
			continue;

		struct view name = view_of(entry->d_name + 1);

		count++;
		map_put(seen, name, seen);
		r = folder_find(tx, name, &folder);
		if (r == -ENOENT)
			r = folder_insert(tx, name, &folder);
	}
	closedir(directory);
	return r;
}

static int erase_lost_folders(struct tx *tx, const struct map *seen)
{
	_cleanup_(str_free) struct str lost = STR_EMPTY;
	struct view rest, name;
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, DB_NAMES, VIEW_NONE, VIEW_NONE); r > 0; r = walk_next(&walk))
		if (map_get(seen, walk.key) == NULL) {
			str_append(&lost, walk.key);
			str_append_byte(&lost, '\n');
		}
	walk_end(&walk);
	rest = view_first(str_view(&lost), lost.len > 0 ? lost.len - 1 : 0);
	while (r >= 0 && lost.len > 0 && view_next(&rest, '\n', &name)) {
		struct folder folder;

		r = folder_find(tx, name, &folder);
		if (r == 0)
			r = folder_erase(tx, &folder);
	}
	return MIN(r, 0);
}

static int folders_work(struct tx *tx, void *argument)
{
	_cleanup_(map_freep) struct map *seen = map_new();
	int64_t now = directory_stable_time(store_path(tx->store));
	uint64_t before;
	int r = meta_get(tx, "root_time", &before);

	(void)argument;
	if (r == 0)
		r = owed_settle_all(tx);
	/* The index is new: what people subscribed to stands in a file. */
	if (r == 0 && before == 0)
		r = subscriptions_restore(tx);
	if (r == 0)
		r = add_missing_folders(tx, seen);
	if (r == 0)
		r = erase_lost_folders(tx, seen);
	/* 1: has been read, but must be again. */
	return r < 0 ? r : meta_put(tx, "root_time", now != 0 ? (uint64_t)now : 1);
}

int folders_read(struct store *store)
{
	uint64_t before;
	struct tx tx;
	int r = store_read(store, &tx);

	if (r < 0)
		return r;
	r = meta_get(&tx, "root_time", &before);
	tx_end(&tx);
	if (r < 0 || (before > 1 && (uint64_t)directory_stable_time(store_path(store)) == before))
		return r;
	return store_write(store, WRITE_DURABLE, folders_work, NULL);
}

int folders_sync(struct store *store)
{
	int r = store_follow(store);

	return r < 0 ? r : folders_read(store);
}

static int prepare_once(struct store *store, struct view name, struct folder *folder)
{
	struct tx tx;
	int r = folders_sync(store);

	if (r == 0)
		r = store_read(store, &tx);
	if (r < 0)
		return r;
	r = folder_find(&tx, name, folder);
	tx_end(&tx);
	return r == 0 && folder->r.adopt ? folder_sync(store, folder->r.id) : r;
}

int folder_prepare(struct store *store, struct view name, struct folder *folder)
{
	int r = prepare_once(store, name, folder);

	return r == -EAGAIN ? prepare_once(store, name, folder) : r;
}

/* ---- making and removing ---- */

struct folder_work {
	struct view name, to;
	unsigned special_use;
	bool subscribed;
	struct error *err;
};

/* Runs it with a checked name; says why it failed unless that was said already. */
static int change_folders(struct store *store, struct view name, store_work *run,
			  struct folder_work *work)
{
	_cleanup_(str_free) struct str normal = STR_EMPTY;
	struct error scratch = ERROR_NONE;
	int r;

	if (work->err == NULL)
		work->err = &scratch;
	work->err->text[0] = '\0';
	r = store_name_normalize(name, &normal, work->err);
	if (r < 0)
		return r;
	work->name = str_view(&normal);
	r = folders_sync(store);
	if (r == 0)
		r = store_write(store, WRITE_DURABLE, run, work);
	if (r < 0 && work->err->text[0] == '\0')
		error_set(work->err, r, "%s",
			  r == -ENOENT	 ? "No such folder"
			  : r == -EEXIST ? "There is a folder of that name already"
					 : strerror(-r));
	return r;
}

static int create_work(struct tx *tx, void *argument)
{
	struct folder_work *work = argument;
	struct folder folder;
	int r = owed_settle_all(tx);

	if (r == 0)
		r = folder_find(tx, work->name, &folder);
	if (r != -ENOENT)
		return r == 0 ? -EEXIST : r;
	r = maildir_create(store_path(tx->store), work->name, work->err);
	if (r == 0)
		r = folder_insert(tx, work->name, &folder);
	if (r < 0 || work->special_use == 0)
		return r;
	folder.r.special_use = work->special_use;
	return folder_save(tx, &folder);
}

int store_create(struct store *store, struct view name, unsigned special_use, struct error *err)
{
	struct folder_work work = { .special_use = special_use, .err = err };

	return change_folders(store, name, create_work, &work);
}

static int delete_work(struct tx *tx, void *argument)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY;
	struct folder_work *work = argument;
	struct folder folder;
	int r = owed_settle_all(tx);

	if (r == 0)
		r = folder_find(tx, work->name, &folder);
	if (r == 0)
		r = folder_erase(tx, &folder);
	if (r < 0)
		return r;
	str_append_byte(&directory, '.');
	str_append(&directory, work->name);
	return owe_removal(tx, 0, PART_DIRECTORY, str_view(&directory));
}

int store_delete(struct store *store, struct view name, struct error *err)
{
	struct folder_work work = { .err = err };
	int r;

	if (view_is_nocase(name, "INBOX"))
		return error_set(err, -EPERM, "INBOX cannot be deleted");
	r = change_folders(store, name, delete_work, &work);
	/* The name is free, and the space, before the client asks again. */
	if (r == 0)
		(void)store_settle(store, STORE_SETTLE_BATCH);
	return r;
}

/* ---- subscriptions ---- */

static int subscribe_work(struct tx *tx, void *argument)
{
	struct folder_work *work = argument;
	int r = work->subscribed ? tx_put(tx, DB_WANTED, work->name, VIEW(""))
				 : tx_delete(tx, DB_WANTED, work->name);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : subscriptions_write(tx);
}

int store_subscribe(struct store *store, struct view name, bool subscribed, struct error *err)
{
	struct folder_work work = { .subscribed = subscribed, .err = err };

	return change_folders(store, name, subscribe_work, &work);
}

/* ---- status ---- */

/* How many have a UID that no session has seen yet. */
static int count_recent(struct tx *tx, const struct folder *folder, uint32_t *count)
{
	struct key prefix = key_folder(folder->r.id);
	uint32_t first = recent_first(tx->store, folder);
	struct key from = key_uid(folder->r.id, first);
	struct walk walk;
	int r;

	*count = 0;
	if (first >= folder->r.uidnext)
		return 0;
	for (r = walk_begin(&walk, tx, DB_STATES, key_view(&prefix), key_view(&from)); r > 0;
	     r = walk_next(&walk))
		++*count;
	walk_end(&walk);
	return r;
}

static int folder_read_status(struct store *store, struct view name, struct folder *folder,
			      struct folder_status *status)
{
	struct tx tx;
	int r = store_read(store, &tx);

	if (r < 0)
		return r;
	r = folder_find(&tx, name, folder);
	if (r == 0)
		r = count_recent(&tx, folder, &status->recent);
	tx_end(&tx);
	return r;
}

static int fresh_status(struct store *store, struct view name, struct folder *folder,
			struct folder_status *status)
{
	int r = store_follow(store);

	if (r == 0)
		r = folder_read_status(store, name, folder, status);
	if (r == -ENOENT) {
		/* Perhaps another program made it just now. */
		r = folders_sync(store);
		if (r == 0)
			r = folder_read_status(store, name, folder, status);
	}
	if (r == 0)
		r = folder_sync(store, folder->r.id);
	return r < 0 ? r : folder_read_status(store, name, folder, status);
}

int store_status(struct store *store, struct view name, struct folder_status *status)
{
	_cleanup_(str_free) struct str normal = STR_EMPTY;
	struct folder folder;
	int r = store_name_normalize(name, &normal, NULL);

	*status = (struct folder_status){ 0 };
	if (r == 0)
		r = fresh_status(store, str_view(&normal), &folder, status);
	if (r == -EAGAIN)
		r = fresh_status(store, str_view(&normal), &folder, status);
	if (r < 0)
		return r;
	status->id = folder.r.id;
	status->messages = folder.r.messages;
	status->unseen = folder.r.unseen;
	status->deleted = folder.r.deleted;
	status->uidnext = folder.r.uidnext;
	status->uidvalidity = folder.r.uidvalidity;
	status->highest_modseq = folder.r.modseq;
	status->size = folder.r.size;
	return 0;
}
