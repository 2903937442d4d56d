/*
 * The list of folders: what other programs made or removed goes into the index. What is in a folder is
 * sync.c's matter.
 */
#include "store/folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/adopt.h"
#include "store/directory.h"
#include "store/files.h"
#include "store/owed.h"
#include "store/sync.h"

/* 1, 0, or a negative errno: it cannot be told now. What this user may never look at is none. */
static int is_folder_directory(const struct store *store, const char *entry)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct stat st;

	if (entry[0] != '.' || entry[1] == '\0' || strcmp(entry, "..") == 0)
		return 0;
	str_printf(&path, "%s/%s/cur", store->path, entry);
	if (stat(str_cstr(&path), &st) == 0)
		return S_ISDIR(st.st_mode);
	return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EACCES ||
			       errno == ENAMETOOLONG
		       ? 0
		       : -errno;
}

/*
 * The name of the folder in this directory. One whose directory has a name that none of ours can have
 * is renamed, so that its mail is seen. False: it cannot be.
 */
static bool folder_take_name(const struct store *store, const char *entry, struct str *name)
{
	_cleanup_(str_free) struct str from = STR_EMPTY, to = STR_EMPTY;

	str_clear(name);
	str_printf(&from, "%s/%s", store->path, entry);
	if (adopt_name(view_of(entry + 1), name) < 0) {
		log_warning("%s: no folder can have this name: its mail is not shown",
			    str_cstr(&from));
		return false;
	}
	if (view_is(str_view(name), entry + 1))
		return true;
	folder_path_append(&to, store->path, str_view(name));
	/* Never over one that is there. */
	if (renameat2(AT_FDCWD, str_cstr(&from), AT_FDCWD, str_cstr(&to), RENAME_NOREPLACE) < 0) {
		log_warning("%s: rename to %s: %s: its mail is not shown", str_cstr(&from),
			    str_cstr(&to), strerror(errno));
		return false;
	}
	log_info("%s: made by another program, renamed to %s", str_cstr(&from), str_cstr(&to));
	return true;
}

static int add_missing_folders(struct tx *tx, struct map *seen)
{
	_cleanup_(str_free) struct str taken = STR_EMPTY;
	DIR *directory = opendir(store_path(tx->store));
	struct dirent *entry;
	struct folder folder;
	size_t count = 0;
	int r;

	if (directory == NULL)
		return -errno;
	r = folder_find(tx, VIEW("INBOX"), &folder);
	if (r == -ENOENT)
		r = folder_insert(tx, VIEW("INBOX"), &folder);
	map_put(seen, VIEW("INBOX"), seen);
	while (r == 0 && count < STORE_FOLDERS_MAX) {
		errno = 0;
		entry = readdir(directory);
		/* Half a list would tell that the other half was removed. */
		if (entry == NULL)
			r = -errno;
		if (entry == NULL)
			break;
		r = is_folder_directory(tx->store, entry->d_name);
		if (r < 0)
			break;
		if (r == 0 || !folder_take_name(tx->store, entry->d_name, &taken)) {
			r = 0;
			continue;
		}

		struct view name = str_view(&taken);

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

static int folders_read(struct store *store)
{
	unsigned generation = store->generation;
	uint64_t before;
	struct tx tx;
	int r = store_read(store, &tx);

	if (r < 0)
		return r;
	r = meta_get(&tx, "root_time", &before);
	tx_end(&tx);
	if (r < 0 || (before > 1 && (uint64_t)directory_stable_time(store_path(store)) == before))
		return r;
	r = store_write(store, WRITE_DURABLE, folders_work, NULL);
	/* They were read into an index that has been left already. */
	return r >= 0 && store->generation != generation ? -EAGAIN : r;
}

int folders_sync(struct store *store)
{
	int r = -EAGAIN;

	for (int i = 0; i < FOLLOW_TRIES && r == -EAGAIN; i++) {
		r = store_follow(store);
		if (r == 0)
			r = folders_read(store);
	}
	return r;
}

static int folder_prepare_once(struct store *store, struct view name, struct folder *folder)
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
	int r = -EAGAIN;

	for (int i = 0; i < FOLLOW_TRIES && r == -EAGAIN; i++)
		r = folder_prepare_once(store, name, folder);
	return r;
}

int folders_write(struct store *store, store_work *work, void *argument)
{
	int r = -EAGAIN;

	for (int i = 0; i < FOLLOW_TRIES && r == -EAGAIN; i++) {
		r = folders_sync(store);
		if (r == 0)
			r = store_write(store, WRITE_DURABLE, work, argument);
	}
	return r;
}
