/* Opening and closing a store: its index, its folders, and what was owed when it was used last. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/deliver.h"
#include "store/folders.h"
#include "store/index_files.h"
#include "store/settle.h"

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
	store->tombstone_time =
		options->tombstone_time ? options->tombstone_time : STORE_TOMBSTONE_TIME;
	store->leave_owed = options->leave_owed;
	store->packs = options->packs;
	store->pending = map_new();
	if (options->create)
		r = maildir_create(maildir, VIEW_NONE, err);
	else if (access(maildir, F_OK) < 0)
		r = error_errno(err, "Maildir %s", maildir);
	if (r == 0)
		r = index_open(store, err);
	if (r < 0)
		return r;
	r = folders_sync(store);
	/* The Maildir is there, so it is the index that leads to nowhere. */
	if (r == -ENOENT) {
		environment_condemn(&store->env);
		r = folders_sync(store);
	}
	if (r < 0)
		return error_code(err, r, "read the folders of %s", maildir);
	/* What a crash left half done comes first in line: files and index agree again from here on. */
	if (!store->leave_owed)
		(void)store_settle(store, STORE_SETTLE_BATCH);
	*out = TAKE(store);
	return 0;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	for (int i = 0; store->env.mdb != NULL && !store->leave_owed && i < CLOSE_BATCHES; i++)
		if (store_settle(store, STORE_SETTLE_BATCH) <= 0)
			break;
	index_close(store);
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

void store_rest(struct store *store)
{
	if (store->shared.txn == NULL)
		environment_rest(&store->env);
}

void store_closep(struct store **store)
{
	store_close(*store);
}

/* On the directory of INBOX, which outlives any index. */
int store_lock_session(struct store *store, int *lock)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	_cleanup_fd_ int fd = -1;

	str_printf(&path, "%s/cur", store->path);
	fd = open(str_cstr(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	*lock = TAKE_FD(fd);
	return 0;
}
