#include "store/env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"

#define MAP_SIZE_START ((uint64_t)64 << 20)
#define INDEX_FORMAT   1
/* Inside store_write: the map is full. No errno has this number. */
#define MAP_IS_FULL (-100000)

/* What others cannot mend either: the index is made again. */
static bool is_damage(int code)
{
	return code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_INVALID ||
	       code == MDB_VERSION_MISMATCH || code == MDB_INCOMPATIBLE;
}

static int to_errno(struct tx *tx, int code)
{
	if (code == 0)
		return 0;
	if (code == MDB_NOTFOUND)
		return -ENOENT;
	if (code == MDB_MAP_FULL)
		return MAP_IS_FULL;
	if (code > 0)
		return -code;
	/*
	 * The disk failed at the end of a commit, and this environment refuses everything from then
	 * on. The file is whole, at the commit before: whoever opens it anew goes on from there.
	 */
	if (code == MDB_PANIC)
		log_fatal("mailbox index %s: a commit failed: it must be opened again",
			  tx->store->index);
	log_error("mailbox index %s: %s", tx->store->index, mdb_strerror(code));
	return is_damage(code) ? -EUCLEAN : -EIO;
}

static MDB_val val_of(struct view v)
{
	return (MDB_val){ .mv_size = v.len, .mv_data = (void *)(uintptr_t)v.data };
}

static struct view view_of_val(MDB_val v)
{
	return view_make(v.mv_data, v.mv_size);
}

/* ---- opening ---- */

static const char *const db_names[DB_COUNT] = {
	[DB_META] = "meta",	[DB_NAMES] = "names",	  [DB_FOLDERS] = "folders",
	[DB_WANTED] = "wanted", [DB_WORDS] = "words",	  [DB_STATES] = "states",
	[DB_MAILS] = "mails",	[DB_CHANGES] = "changes", [DB_TIDY] = "tidy",
	[DB_GONE] = "gone",	[DB_COPIES] = "copies",	  [DB_CACHE] = "cache",
};

/* LMDB makes what it writes durable, but not the names of the files that it makes. */
static int make_names_durable(const struct store *store)
{
	int r = io_sync_directory(store->index);

	return r < 0 ? r : io_sync_directory(store_path(store));
}

static int open_databases(struct tx *tx, void *argument)
{
	uint64_t format;
	int r = 0;

	(void)argument;
	for (size_t i = 0; i < DB_COUNT && r == 0; i++)
		r = to_errno(tx, mdb_dbi_open(tx->txn, db_names[i], MDB_CREATE, &tx->store->db[i]));
	if (r == 0)
		r = meta_get(tx, "format", &format);
	if (r == 0 && format == 0)
		r = make_names_durable(tx->store);
	if (r == 0 && format == 0)
		return meta_put(tx, "format", INDEX_FORMAT);
	return r == 0 && format != INDEX_FORMAT ? -EUCLEAN : r;
}

static int remember_file(struct store *store)
{
	int fd;
	struct stat st;

	if (mdb_env_get_fd(store->env, &fd) != 0 || fstat(fd, &st) < 0)
		return -EIO;
	store->device = st.st_dev;
	store->inode = st.st_ino;
	return 0;
}

static int try_open(struct store *store)
{
	struct tx tx = { .store = store };
	int dead, r;

	if (mkdir(store->index, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (mdb_env_create(&store->env) != 0)
		mem_exhausted();
	mdb_env_set_maxdbs(store->env, DB_COUNT);
	mdb_env_set_mapsize(store->env, (size_t)MIN(MAP_SIZE_START, store->limit));
	r = to_errno(&tx, mdb_env_open(store->env, store->index, MDB_NOTLS | MDB_NORDAHEAD, 0600));
	if (r == 0)
		r = remember_file(store);
	if (r < 0)
		return r;
	/* What killed processes left in the table of readers would keep old pages from being reused. */
	mdb_reader_check(store->env, &dead);
	r = store_write(store, WRITE_LAZY, open_databases, NULL);
	if (r == 0)
		r = to_errno(&tx, mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reader));
	if (r == 0)
		mdb_txn_reset(store->reader);
	return r;
}

int env_open(struct store *store, struct error *err)
{
	int r = try_open(store);

	if (r == -EUCLEAN) {
		log_error("mailbox index %s is damaged: building it again", store->index);
		env_close(store);
		r = store_drop_index(store->path[0] != '\0' ? store->path : "/", err);
		if (r == 0)
			r = try_open(store);
	}
	if (r < 0) {
		env_close(store);
		errno = -r;
		return error_errno(err, "open mailbox index %s", store->index);
	}
	return 0;
}

void env_close(struct store *store)
{
	if (store->reader != NULL)
		mdb_txn_abort(store->reader);
	if (store->env != NULL)
		mdb_env_close(store->env);
	store->reader = NULL;
	store->env = NULL;
}

int store_drop_index(const char *maildir, struct error *err)
{
	static const char *const files[] = { "data.mdb", "lock.mdb" };
	_cleanup_(str_free) struct str path = STR_EMPTY;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		str_clear(&path);
		folder_path_append(&path, maildir, VIEW_NONE);
		str_printf(&path, "/posta.index/%s", files[i]);
		if (unlink(str_cstr(&path)) < 0 && errno != ENOENT)
			return error_errno(err, "remove %s", str_cstr(&path));
	}
	return 0;
}

/* ---- transactions ---- */

/* Another process grew the map, or we do. No transaction may be open. */
static int set_map_size(struct store *store, size_t size)
{
	struct tx tx = { .store = store };

	return to_errno(&tx, mdb_env_set_mapsize(store->env, size));
}

static int grow_map(struct store *store)
{
	MDB_envinfo info;

	mdb_env_info(store->env, &info);
	if (info.me_mapsize >= store->limit) {
		log_error("mailbox index %s has reached its limit of %llu bytes", store->index,
			  (unsigned long long)store->limit);
		return -ENOSPC;
	}
	return set_map_size(store, (size_t)MIN((uint64_t)info.me_mapsize * 2, store->limit));
}

/* The index that we have open is still the one that others open. */
static int check_file(struct store *store)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/data.mdb", store->index);
	if (stat(path, &st) < 0 || st.st_ino != store->inode || st.st_dev != store->device)
		return -ESTALE;
	return 0;
}

static int begin(struct store *store, unsigned flags, MDB_txn **txn)
{
	int code = mdb_txn_begin(store->env, NULL, flags, txn);

	if (code == MDB_MAP_RESIZED) {
		int r = set_map_size(store, 0);

		if (r < 0)
			return r;
		code = mdb_txn_begin(store->env, NULL, flags, txn);
	}
	return to_errno(&(struct tx){ .store = store }, code);
}

int store_write(struct store *store, int how, store_work *work, void *argument)
{
	for (;;) {
		struct tx tx = { .store = store };
		int r = begin(store, how == WRITE_LAZY ? MDB_NOMETASYNC : 0, &tx.txn);

		if (r < 0)
			return r;
		r = check_file(store);
		if (r == 0)
			r = work(&tx, argument);
		if (r < 0) {
			mdb_txn_abort(tx.txn);
		} else {
			int code = mdb_txn_commit(tx.txn);

			if (code == 0)
				return r;
			r = to_errno(&tx, code);
		}
		if (r != MAP_IS_FULL)
			return r;
		r = grow_map(store);
		if (r < 0)
			return r;
	}
}

int store_read(struct store *store, struct tx *tx)
{
	int code = mdb_txn_renew(store->reader);

	*tx = (struct tx){ .store = store, .txn = store->reader };
	if (code == MDB_MAP_RESIZED) {
		int r = set_map_size(store, 0);

		if (r < 0)
			return r;
		code = mdb_txn_renew(store->reader);
	}
	return to_errno(tx, code);
}

void tx_end(struct tx *tx)
{
	if (tx->txn != NULL)
		mdb_txn_reset(tx->txn);
	tx->txn = NULL;
}

/* ---- items ---- */

int tx_get(struct tx *tx, enum db db, struct view key, struct view *value)
{
	MDB_val k = val_of(key), v;
	int r = to_errno(tx, mdb_get(tx->txn, tx->store->db[db], &k, &v));

	if (r == 0)
		*value = view_of_val(v);
	return r;
}

int tx_put(struct tx *tx, enum db db, struct view key, struct view value)
{
	MDB_val k = val_of(key), v = val_of(value);

	return to_errno(tx, mdb_put(tx->txn, tx->store->db[db], &k, &v, 0));
}

int tx_delete(struct tx *tx, enum db db, struct view key)
{
	MDB_val k = val_of(key);

	return to_errno(tx, mdb_del(tx->txn, tx->store->db[db], &k, NULL));
}

static int walk_step(struct walk *walk, struct view from, MDB_cursor_op op)
{
	MDB_val k = val_of(from), v;
	int code = mdb_cursor_get(walk->cursor, &k, &v, op);

	if (code == MDB_NOTFOUND)
		return 0;
	if (code != 0)
		return code > 0 ? -code : -EIO;
	walk->key = view_of_val(k);
	walk->value = view_of_val(v);
	return view_starts(walk->key, walk->prefix) ? 1 : 0;
}

int walk_begin(struct walk *walk, struct tx *tx, enum db db, struct view prefix, struct view from)
{
	int r;

	*walk = (struct walk){ .prefix = prefix };
	r = to_errno(tx, mdb_cursor_open(tx->txn, tx->store->db[db], &walk->cursor));
	if (r < 0)
		return r;
	return walk_step(walk, from, from.len > 0 ? MDB_SET_RANGE : MDB_FIRST);
}

int walk_next(struct walk *walk)
{
	return walk_step(walk, VIEW_NONE, MDB_NEXT);
}

int walk_delete(struct walk *walk)
{
	int code = mdb_cursor_del(walk->cursor, 0);

	return code == 0 ? 0 : code == MDB_MAP_FULL ? MAP_IS_FULL : code > 0 ? -code : -EIO;
}

void walk_end(struct walk *walk)
{
	if (walk->cursor != NULL)
		mdb_cursor_close(walk->cursor);
	walk->cursor = NULL;
}

/* ---- numbers of the store ---- */

int meta_get(struct tx *tx, const char *name, uint64_t *value)
{
	struct view found = VIEW_NONE;
	int r = tx_get(tx, DB_META, view_of(name), &found);

	*value = 0;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (found.len != sizeof(*value))
		return -EUCLEAN;
	memcpy(value, found.data, sizeof(*value));
	return 0;
}

int meta_put(struct tx *tx, const char *name, uint64_t value)
{
	return tx_put(tx, DB_META, view_of(name), view_make(&value, sizeof(value)));
}

int meta_next(struct tx *tx, const char *name, uint64_t *value)
{
	int r = meta_get(tx, name, value);

	if (r < 0)
		return r;
	++*value;
	return meta_put(tx, name, *value);
}
