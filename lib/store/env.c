#include "store/env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/follow.h"

#define MAP_SIZE_START ((uint64_t)64 << 20)
#define INDEX_FORMAT   1
/* Inside store_write: the map is full, the index was deleted. No errno has these numbers. */
#define MAP_IS_FULL    (-100000)
#define INDEX_IS_OTHER (-100001)
/* For who makes the last changes of an index that was deleted, in ms. */
#define LOCK_PATIENCE 30000
#define LOCK_PAUSE    10

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

/* ---- transactions ---- */

/* Another process grew the map, or we do. No transaction may be open. */
static int set_map_size(struct store *store, size_t size)
{
	struct tx tx = { .store = store };

	return to_errno(&tx, mdb_env_set_mapsize(store->env.mdb, size));
}

static int grow_map(struct store *store)
{
	MDB_envinfo info;

	mdb_env_info(store->env.mdb, &info);
	if (info.me_mapsize >= store->limit) {
		log_error("mailbox index %s has reached its limit of %llu bytes", store->index,
			  (unsigned long long)store->limit);
		return -ENOSPC;
	}
	return set_map_size(store, (size_t)MIN((uint64_t)info.me_mapsize * 2, store->limit));
}

static int begin(struct store *store, MDB_txn **txn)
{
	int code = mdb_txn_begin(store->env.mdb, NULL, 0, txn);

	if (code == MDB_MAP_RESIZED) {
		int r = set_map_size(store, 0);

		if (r < 0)
			return r;
		code = mdb_txn_begin(store->env.mdb, NULL, 0, txn);
	}
	return to_errno(&(struct tx){ .store = store }, code);
}

/*
 * Lazily: the new pages are synced as always, but the meta page that makes them valid is only written.
 * LMDB 0.9 looks at this flag in the environment alone, not in the transaction.
 */
static int commit(struct store *store, int how, MDB_txn *txn)
{
	struct tx tx = { .store = store };
	int code;

	mdb_env_set_flags(store->env.mdb, MDB_NOMETASYNC, how == WRITE_LAZY);
	code = mdb_txn_commit(txn);
	mdb_env_set_flags(store->env.mdb, MDB_NOMETASYNC, 0);
	return to_errno(&tx, code);
}

/* One transaction in the index that is open; `guard` (may be NULL) may stop it once it has begun. */
static int try_write(struct store *store, int how, bool (*guard)(const struct store *),
		     store_work *work, void *argument)
{
	struct tx tx = { .store = store };
	int committed, r = begin(store, &tx.txn);

	if (r < 0)
		return r;
	r = guard != NULL && !guard(store) ? INDEX_IS_OTHER : work(&tx, argument);
	if (r < 0) {
		mdb_txn_abort(tx.txn);
		return r;
	}
	committed = commit(store, how, tx.txn);
	return committed < 0 ? committed : r;
}

static int try_write_growing(struct store *store, int how, bool (*guard)(const struct store *),
			     store_work *work, void *argument)
{
	for (;;) {
		int r = try_write(store, how, guard, work, argument);

		if (r != MAP_IS_FULL)
			return r;
		r = grow_map(store);
		if (r < 0)
			return r;
	}
}

/* In the index that is open, though others may have another one by now. */
static int write_here(struct store *store, int how, store_work *work, void *argument)
{
	return try_write_growing(store, how, NULL, work, argument);
}

int store_write(struct store *store, int how, store_work *work, void *argument)
{
	int r = INDEX_IS_OTHER;

	for (int i = 0; i < FOLLOW_TRIES && r == INDEX_IS_OTHER; i++) {
		r = try_write_growing(store, how, env_is_current, work, argument);
		if (r == INDEX_IS_OTHER) {
			int followed = store_follow(store);

			if (followed < 0)
				return followed;
		}
	}
	if (r == INDEX_IS_OTHER)
		return -EAGAIN;
	/*
	 * What was written into an index that was deleted just then is lost, unless the files follow
	 * it at once.
	 */
	if (r >= 0 && how == WRITE_DURABLE && !env_is_current(store)) {
		int followed = store_follow(store);

		if (followed < 0)
			return followed;
	}
	return r;
}

int store_read(struct store *store, struct tx *tx)
{
	MDB_txn *reader = store->env.reader;
	int code = mdb_txn_renew(reader);

	*tx = (struct tx){ .store = store, .txn = reader };
	if (code == MDB_MAP_RESIZED) {
		int r = set_map_size(store, 0);

		if (r < 0)
			return r;
		code = mdb_txn_renew(reader);
	}
	return to_errno(tx, code);
}

void tx_end(struct tx *tx)
{
	if (tx->txn != NULL)
		mdb_txn_reset(tx->txn);
	tx->txn = NULL;
}

/* ---- opening ---- */

static const char *const db_names[DB_COUNT] = {
	[DB_META] = "meta",	[DB_NAMES] = "names",	  [DB_FOLDERS] = "folders",
	[DB_WANTED] = "wanted", [DB_WORDS] = "words",	  [DB_STATES] = "states",
	[DB_MAILS] = "mails",	[DB_CHANGES] = "changes", [DB_TIDY] = "tidy",
	[DB_GONE] = "gone",	[DB_COPIES] = "copies",	  [DB_CACHE] = "cache",
};

/*
 * One at a time opens, makes or removes an index of this Maildir. A descriptor that holds the lock;
 * -EBUSY if another does not give it back, which may be any program of the user.
 */
static int lock_opening(const char *maildir)
{
	_cleanup_fd_ int fd = open(maildir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	msec_t deadline = clock_after(LOCK_PATIENCE);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (clock_now() >= deadline)
			return -EBUSY;
		usleep(LOCK_PAUSE * 1000);
	}
	return TAKE_FD(fd);
}

static bool is_file(const char *path, const struct file_id *id)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_ino == id->inode && st.st_dev == id->device;
}

bool env_is_current(const struct store *store)
{
	/*
	 * Both: who opens the data file with another lock file is not kept from writing while we do.
	 * Such an index must not be used by anybody any more.
	 */
	return is_file(store->data_file, &store->env.data) &&
	       is_file(store->lock_file, &store->env.lock);
}

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
		r = to_errno(tx,
			     mdb_dbi_open(tx->txn, db_names[i], MDB_CREATE, &tx->store->env.db[i]));
	if (r == 0)
		r = meta_get(tx, "format", &format);
	if (r == 0 && format == 0)
		r = make_names_durable(tx->store);
	if (r == 0 && format == 0)
		return meta_put(tx, "format", INDEX_FORMAT);
	return r == 0 && format != INDEX_FORMAT ? -EUCLEAN : r;
}

static int remember_files(struct store *store)
{
	struct environment *env = &store->env;
	struct stat st;
	int fd;

	if (mdb_env_get_fd(env->mdb, &fd) != 0 || fstat(fd, &st) < 0)
		return -EIO;
	env->data = (struct file_id){ st.st_dev, st.st_ino };
	/* LMDB does not tell it. If it was deleted meanwhile, the next look at it finds that out. */
	if (stat(store->lock_file, &st) == 0)
		env->lock = (struct file_id){ st.st_dev, st.st_ino };
	return 0;
}

/*
 * A data file whose lock file was deleted may be open in processes that hold the deleted one: nothing
 * would keep them and us from writing at the same time.
 */
static int remove_unlocked_data(const struct store *store)
{
	if (access(store->lock_file, F_OK) == 0 || errno != ENOENT)
		return 0;
	return unlink(store->data_file) < 0 && errno != ENOENT ? -errno : 0;
}

static int try_open(struct store *store)
{
	struct environment *env = &store->env;
	struct tx tx = { .store = store };
	int dead, r;

	if (mkdir(store->index, 0700) < 0 && errno != EEXIST)
		return -errno;
	r = remove_unlocked_data(store);
	if (r < 0)
		return r;
	if (mdb_env_create(&env->mdb) != 0)
		mem_exhausted();
	mdb_env_set_maxdbs(env->mdb, DB_COUNT);
	mdb_env_set_mapsize(env->mdb, (size_t)MIN(MAP_SIZE_START, store->limit));
	r = to_errno(&tx, mdb_env_open(env->mdb, store->index, MDB_NOTLS | MDB_NORDAHEAD, 0600));
	if (r == 0)
		r = remember_files(store);
	if (r < 0)
		return r;
	/* What killed processes left in the table of readers would keep old pages from being reused. */
	mdb_reader_check(env->mdb, &dead);
	r = write_here(store, WRITE_LAZY, open_databases, NULL);
	if (r == 0)
		r = to_errno(&tx, mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &env->reader));
	if (r == 0)
		mdb_txn_reset(env->reader);
	return r;
}

static int remove_index_files(const char *index, struct error *err)
{
	static const char *const files[] = { "data.mdb", "lock.mdb" };
	_cleanup_(str_free) struct str path = STR_EMPTY;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		str_clear(&path);
		str_printf(&path, "%s/%s", index, files[i]);
		if (unlink(str_cstr(&path)) < 0 && errno != ENOENT)
			return error_errno(err, "remove %s", str_cstr(&path));
	}
	return 0;
}

/* With the lock held. */
static int open_or_make(struct store *store, struct error *err)
{
	int r = try_open(store);

	/* Somebody is just deleting the folder that was made. */
	for (int i = 0; i < FOLLOW_TRIES && r == -ENOENT; i++) {
		env_close(store);
		r = try_open(store);
	}
	if (r == -EUCLEAN) {
		log_error("mailbox index %s is damaged: building it again", store->index);
		env_close(store);
		r = remove_index_files(store->index, err);
		if (r == 0)
			r = try_open(store);
	}
	if (r < 0) {
		env_close(store);
		errno = -r;
		error_errno(err, "open mailbox index %s", store->index);
		/* It is deleted as fast as it is made. */
		return r == -ENOENT ? -EAGAIN : r;
	}
	return 0;
}

int env_open(struct store *store, struct error *err)
{
	_cleanup_fd_ int lock = lock_opening(store_path(store));

	if (lock < 0) {
		errno = -lock;
		return error_errno(err, "lock %s", store_path(store));
	}
	return open_or_make(store, err);
}

static void close_environment(struct environment *env)
{
	if (env->reader != NULL)
		mdb_txn_abort(env->reader);
	if (env->mdb != NULL)
		mdb_env_close(env->mdb);
	*env = (struct environment){ NULL };
}

void env_close(struct store *store)
{
	close_environment(&store->env);
}

/* Whoever deleted the one file may not have come to the other yet, and nobody can use it any more. */
static void remove_rest(const struct store *store)
{
	if (is_file(store->data_file, &store->env.data))
		unlink(store->data_file);
	if (is_file(store->lock_file, &store->env.lock))
		unlink(store->lock_file);
}

int env_renew(struct store *store, store_work *last, struct error *err)
{
	_cleanup_fd_ int lock = lock_opening(store_path(store));
	struct environment old = store->env;
	bool first;
	int r;

	if (lock < 0) {
		errno = -lock;
		return error_errno(err, "lock %s", store_path(store));
	}
	remove_rest(store);
	first = access(store->data_file, F_OK) < 0 && errno == ENOENT;
	r = write_here(store, WRITE_LAZY, last, &first);
	if (r < 0)
		log_warning("mailbox index %s: the last changes before it was deleted: %s",
			    store->index, strerror(-r));
	store->env = (struct environment){ NULL };
	r = open_or_make(store, err);
	if (r < 0)
		store->env = old;
	else
		close_environment(&old);
	return r;
}

int store_drop_index(const char *maildir, struct error *err)
{
	_cleanup_(str_free) struct str index = STR_EMPTY;
	_cleanup_fd_ int lock = lock_opening(maildir);

	if (lock == -ENOENT)
		return 0;
	folder_path_append(&index, maildir, VIEW_NONE);
	str_append_cstr(&index, "/posta.index");
	return remove_index_files(str_cstr(&index), err);
}

/* ---- items ---- */

int tx_get(struct tx *tx, enum db db, struct view key, struct view *value)
{
	MDB_val k = val_of(key), v;
	int r = to_errno(tx, mdb_get(tx->txn, tx->store->env.db[db], &k, &v));

	if (r == 0)
		*value = view_of_val(v);
	return r;
}

int tx_put(struct tx *tx, enum db db, struct view key, struct view value)
{
	MDB_val k = val_of(key), v = val_of(value);

	return to_errno(tx, mdb_put(tx->txn, tx->store->env.db[db], &k, &v, 0));
}

int tx_delete(struct tx *tx, enum db db, struct view key)
{
	MDB_val k = val_of(key);

	return to_errno(tx, mdb_del(tx->txn, tx->store->env.db[db], &k, NULL));
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
	r = to_errno(tx, mdb_cursor_open(tx->txn, tx->store->env.db[db], &walk->cursor));
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
