/*
 * LMDB's environment, transactions and items. Which files there are, when they are made, set aside or
 * followed is decided in index_files.c and follow.c.
 */
#include "store/env.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"

#define MAP_SIZE_START ((uint64_t)64 << 20)
#define INDEX_FORMAT   1

/* ---- errors ---- */

/*
 * All but what can come from a good file as well: no memory is no damage. LMDB says EINVAL when it has read numbers
 * that cannot be.
 */
static bool is_damage(int code)
{
	return code == EINVAL ||
	       (code < 0 && code != MDB_NOTFOUND && code != MDB_MAP_FULL && code != MDB_PANIC &&
		code != MDB_READERS_FULL && code != MDB_TXN_FULL);
}

void environment_condemn(struct environment *env)
{
	if (!env->condemned)
		mark_write(env->mark);
	env->condemned = true;
}

static int environment_error(struct environment *env, int code)
{
	if (code >= 0 && !is_damage(code))
		return -code;
	/*
	 * The disk failed at the end of a commit, and this environment refuses everything from then
	 * on. The file is whole, at the commit before: whoever opens it anew goes on from there.
	 */
	if (code == MDB_PANIC)
		log_fatal("mailbox index %s: a commit failed: it must be opened again",
			  env->directory);
	log_error("mailbox index %s: %s", env->directory, mdb_strerror(code));
	if (!is_damage(code))
		return -EIO;
	environment_condemn(env);
	return -EUCLEAN;
}

static int tx_error(struct tx *tx, int code)
{
	if (code == 0)
		return 0;
	if (code == MDB_NOTFOUND)
		return -ENOENT;
	/* Whatever it was (no memory, the disk): LMDB takes nothing more from this transaction. */
	tx->result = code == MDB_MAP_FULL ? TX_MAP_FULL : TX_BROKEN;
	return code == MDB_MAP_FULL ? -ENOSPC : environment_error(tx->env, code);
}

int tx_damaged(struct tx *tx, const char *what)
{
	log_error("mailbox index %s: a %s record is damaged", tx->env->directory, what);
	tx->result = TX_BROKEN;
	environment_condemn(tx->env);
	return -EUCLEAN;
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

/* 0: another process grew the map. No transaction may be open. */
static int environment_set_size(struct environment *env, size_t size)
{
	return environment_error(env, mdb_env_set_mapsize(env->mdb, size));
}

/* "pid thread txnid" of each reader, below a line of headings. */
static int note_reader(const char *line, void *argument)
{
	bool *shared = argument;
	long pid = strtol(line, NULL, 10);

	*shared |= pid > 0 && pid != (long)getpid();
	return 0;
}

bool environment_is_shared(struct environment *env)
{
	bool shared = false;
	int dead;

	mdb_reader_check(env->mdb, &dead);
	mdb_reader_list(env->mdb, note_reader, &shared);
	return shared;
}

int environment_grow(struct environment *env)
{
	MDB_envinfo info;

	mdb_env_info(env->mdb, &info);
	if (info.me_mapsize >= env->limit) {
		log_error("mailbox index %s has reached its limit of %llu bytes", env->directory,
			  (unsigned long long)env->limit);
		return -ENOSPC;
	}
	return environment_set_size(env, (size_t)MIN((uint64_t)info.me_mapsize * 2, env->limit));
}

bool environment_has_room(struct environment *env, size_t pages)
{
	MDB_envinfo info;
	MDB_stat st;

	for (;;) {
		mdb_env_info(env->mdb, &info);
		mdb_env_stat(env->mdb, &st);
		if (info.me_mapsize / st.ms_psize > info.me_last_pgno + pages)
			return true;
		if (info.me_mapsize >= env->limit || environment_grow(env) < 0)
			return false;
	}
}

/* LMDB does not tell where its map is, but makes it anew for that. */
void environment_rest(struct environment *env)
{
	MDB_envinfo info;

	mdb_env_info(env->mdb, &info);
	(void)environment_set_size(env, info.me_mapsize);
}

/* What is over is nobody's fault any more; `r` is passed on. */
static int tx_over(struct tx *tx, int r)
{
	mark_end(tx->mark_before);
	tx->txn = NULL;
	return r;
}

static void tx_prepare(struct tx *tx, struct store *store, struct environment *env)
{
	*tx = (struct tx){ .store = store, .env = env, .mark_before = mark_begin(env->mark) };
}

int tx_begin(struct tx *tx, struct store *store, struct environment *env)
{
	int code, r = 0;

	tx_prepare(tx, store, env);
	code = mdb_txn_begin(env->mdb, NULL, 0, &tx->txn);
	if (code == MDB_MAP_RESIZED) {
		r = environment_set_size(env, 0);
		code = r < 0 ? 0 : mdb_txn_begin(env->mdb, NULL, 0, &tx->txn);
	}
	if (r == 0)
		r = tx_error(tx, code);
	return r < 0 ? tx_over(tx, r) : 0;
}

/*
 * Lazily: the new pages are synced as always, but the meta page that makes them valid is only written.
 * LMDB 0.9 looks at this flag in the environment alone, not in the transaction.
 */
int tx_commit(struct tx *tx, int how)
{
	MDB_env *mdb = tx->env->mdb;
	int code;

	mdb_env_set_flags(mdb, MDB_NOMETASYNC, how == WRITE_LAZY);
	code = mdb_txn_commit(tx->txn);
	mdb_env_set_flags(mdb, MDB_NOMETASYNC, 0);
	return tx_over(tx, tx_error(tx, code));
}

void tx_abort(struct tx *tx)
{
	mdb_txn_abort(tx->txn);
	tx_over(tx, 0);
}

int tx_begin_reading(struct tx *tx, struct store *store, struct environment *env)
{
	int code, r = 0;

	tx_prepare(tx, store, env);
	code = mdb_txn_renew(env->reader);
	if (code == MDB_MAP_RESIZED) {
		r = environment_set_size(env, 0);
		code = r < 0 ? 0 : mdb_txn_renew(env->reader);
	}
	if (r == 0)
		r = tx_error(tx, code);
	if (r < 0)
		return tx_over(tx, r);
	tx->txn = env->reader;
	return 0;
}

void tx_end(struct tx *tx)
{
	if (tx->txn == NULL)
		return;
	if (!tx->borrowed)
		mdb_txn_reset(tx->txn);
	tx_over(tx, 0);
}

void tx_rest(struct tx *tx)
{
	mark_end(tx->mark_before);
}

void tx_resume(struct tx *tx)
{
	tx->mark_before = mark_begin(tx->env->mark);
}

void tx_borrow(struct tx *tx, const struct tx *shared)
{
	*tx = *shared;
	tx->borrowed = true;
	tx_resume(tx);
}

/* ---- opening ---- */

static const char *const db_names[DB_COUNT] = {
	[DB_META] = "meta",	  [DB_NAMES] = "names",
	[DB_FOLDERS] = "folders", [DB_SUBSCRIPTIONS] = "wanted",
	[DB_KEYWORDS] = "words",  [DB_STATES] = "states",
	[DB_MAILS] = "mails",	  [DB_CHANGES] = "changes",
	[DB_TIDY] = "tidy",	  [DB_GONE] = "gone",
	[DB_COPIES] = "copies",	  [DB_CACHE] = "cache",
	[DB_FILTERS] = "filters",
};

/* LMDB makes what it writes durable, but not the names of the files that it makes. */
static int environment_sync_names(const struct environment *env)
{
	_cleanup_(str_free) struct str parent = STR_EMPTY;
	int r = io_sync_directory(env->directory);

	str_printf(&parent, "%s/..", env->directory);
	return r < 0 ? r : io_sync_directory(str_cstr(&parent));
}

static int environment_open_databases(struct tx *tx)
{
	uint64_t format;
	int r = 0;

	for (size_t i = 0; i < DB_COUNT && r == 0; i++)
		r = tx_error(tx, mdb_dbi_open(tx->txn, db_names[i], MDB_CREATE, &tx->env->db[i]));
	if (r == 0)
		r = meta_get(tx, "format", &format);
	if (r == 0 && format == 0)
		r = environment_sync_names(tx->env);
	if (r == 0 && format == 0)
		return meta_put(tx, "format", INDEX_FORMAT);
	return r == 0 && format != INDEX_FORMAT ? -EUCLEAN : r;
}

static int environment_remember_files(struct environment *env)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct stat st;
	int fd;

	if (mdb_env_get_fd(env->mdb, &fd) != 0 || fstat(fd, &st) < 0)
		return -EIO;
	env->data = (struct file_id){ st.st_dev, st.st_ino };
	/* LMDB does not tell it. If it was deleted meanwhile, the next look at it finds that out. */
	str_printf(&path, "%s/lock.mdb", env->directory);
	if (stat(str_cstr(&path), &st) == 0)
		env->lock = (struct file_id){ st.st_dev, st.st_ino };
	return 0;
}

static int environment_begin(struct environment *env)
{
	struct tx tx;
	int dead, r;

	/* What killed processes left in the table of readers would keep old pages from being reused. */
	mdb_reader_check(env->mdb, &dead);
	r = tx_begin(&tx, NULL, env);
	if (r < 0)
		return r;
	r = environment_open_databases(&tx);
	if (r < 0)
		tx_abort(&tx);
	else
		r = tx_commit(&tx, WRITE_LAZY);
	if (r == 0)
		r = environment_error(env, mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &env->reader));
	if (r == 0)
		mdb_txn_reset(env->reader);
	return r;
}

int environment_open(struct environment *env, const char *directory, uint64_t limit)
{
	_cleanup_(str_free) struct str mark = STR_EMPTY;
	int before, r;

	*env = (struct environment){ .directory = directory, .limit = limit };
	str_printf(&mark, "%s/" MARK_FILE, directory);
	env->mark = mark_open(str_cstr(&mark));
	if (mdb_env_create(&env->mdb) != 0)
		mem_exhausted();
	mdb_env_set_assert(env->mdb, mark_assertion);
	mdb_env_set_maxdbs(env->mdb, DB_COUNT);
	mdb_env_set_mapsize(env->mdb, (size_t)MIN(MAP_SIZE_START, limit));
	before = mark_begin(env->mark);
	r = environment_error(env,
			      mdb_env_open(env->mdb, directory, MDB_NOTLS | MDB_NORDAHEAD, 0600));
	if (r == 0)
		r = environment_remember_files(env);
	if (r == 0)
		r = environment_begin(env);
	mark_end(before);
	return r;
}

void environment_close(struct environment *env)
{
	if (env->mdb == NULL)
		return;
	if (env->reader != NULL)
		mdb_txn_abort(env->reader);
	mdb_env_close(env->mdb);
	mem_closep(&env->mark);
	*env = (struct environment){ .mark = -1 };
}

/* ---- items ---- */

int tx_get(struct tx *tx, enum db db, struct view key, struct view *value)
{
	MDB_val k = val_of(key), v;
	int r = tx_error(tx, mdb_get(tx->txn, tx->env->db[db], &k, &v));

	if (r == 0)
		*value = view_of_val(v);
	return r;
}

int tx_put(struct tx *tx, enum db db, struct view key, struct view value)
{
	MDB_val k = val_of(key), v = val_of(value);

	tx->writes++;
	return tx_error(tx, mdb_put(tx->txn, tx->env->db[db], &k, &v, 0));
}

int tx_delete(struct tx *tx, enum db db, struct view key)
{
	MDB_val k = val_of(key);

	tx->writes++;
	return tx_error(tx, mdb_del(tx->txn, tx->env->db[db], &k, NULL));
}

static int walk_step(struct walk *walk, struct view from, MDB_cursor_op op)
{
	MDB_val k = val_of(from), v;
	int code = mdb_cursor_get(walk->cursor, &k, &v, op);

	if (code == MDB_NOTFOUND)
		return 0;
	if (code != 0)
		return tx_error(walk->tx, code);
	walk->key = view_of_val(k);
	walk->value = view_of_val(v);
	return view_starts(walk->key, walk->prefix) ? 1 : 0;
}

int walk_begin(struct walk *walk, struct tx *tx, enum db db, struct view prefix, struct view from)
{
	int r;

	*walk = (struct walk){ .tx = tx, .prefix = prefix };
	r = tx_error(tx, mdb_cursor_open(tx->txn, tx->env->db[db], &walk->cursor));
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
	return tx_error(walk->tx, mdb_cursor_del(walk->cursor, 0));
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
		return tx_damaged(tx, "number");
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
