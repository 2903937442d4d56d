/*
 * lmdb:/path: the LMDB file path.lmdb. It is opened without locks and never changed in place (a
 * new one takes its name), so readers need no lock file.
 */
#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>

#include "base/mem.h"
#include "table/internal.h"

enum { LMDB_KEY_MAX = 511, MAP_SPARE_BYTES = 16 << 20 };

struct lmdb {
	MDB_env *env;
	MDB_dbi dbi;
	bool try_nul, try_plain;
};

static int lmdb_error(int r, struct error *err, const char *what, const char *path)
{
	return error_set(err, r > 0 ? -r : -EIO, "%s %s: %s", what, path, mdb_strerror(r));
}

static int open_lmdb(struct table *table, struct view name, struct error *err)
{
	struct lmdb *l = table->data = mem_new(struct lmdb);
	_cleanup_(str_free) struct str path = STR_EMPTY;
	MDB_txn *txn;
	int r;

	l->try_nul = l->try_plain = true;
	str_append(&path, name);
	str_append(&path, VIEW(".lmdb"));
	r = table_watch(table, str_cstr(&path), err);
	if (r < 0)
		return r;
	r = mdb_env_create(&l->env);
	if (r == 0)
		r = mdb_env_open(l->env, str_cstr(&path), MDB_RDONLY | MDB_NOLOCK | MDB_NOSUBDIR,
				 0);
	if (r == 0)
		r = mdb_txn_begin(l->env, NULL, MDB_RDONLY, &txn);
	if (r != 0)
		return lmdb_error(r, err, "open", str_cstr(&path));
	r = mdb_dbi_open(txn, NULL, 0, &l->dbi);
	if (r != 0) {
		mdb_txn_abort(txn);
		return lmdb_error(r, err, "open", str_cstr(&path));
	}
	mdb_txn_commit(txn);
	return 0;
}

static void close_lmdb(struct table *table)
{
	struct lmdb *l = table->data;

	if (l != NULL && l->env != NULL)
		mdb_env_close(l->env);
	free(l);
}

static struct view lmdb_view(const MDB_val *val)
{
	struct view v = view_make(val->mv_data, val->mv_size);

	if (v.len > 0 && v.data[v.len - 1] == '\0')
		v.len--;
	return v;
}

static int lmdb_get(struct lmdb *l, MDB_txn *txn, struct view key, struct str *value,
		    struct error *err)
{
	MDB_val k = { key.len, (void *)(uintptr_t)key.data }, v;
	int r = mdb_get(txn, l->dbi, &k, &v);

	if (r == MDB_NOTFOUND)
		return 0;
	if (r != 0)
		return error_set(err, -EAGAIN, "read: %s", mdb_strerror(r));
	str_append(value, lmdb_view(&v));
	return 1;
}

static int lookup_lmdb(struct table *table, struct view key, struct str *value, struct error *err)
{
	struct lmdb *l = table->data;
	char with_nul[LMDB_KEY_MAX + 1];
	MDB_txn *txn;
	int r;

	if (key.len > LMDB_KEY_MAX - 1)
		return 0;
	r = mdb_txn_begin(l->env, NULL, MDB_RDONLY, &txn);
	if (r != 0)
		return error_set(err, -EAGAIN, "read: %s", mdb_strerror(r));
	r = 0;
	if (l->try_nul) {
		memcpy(with_nul, key.data, key.len);
		with_nul[key.len] = '\0';
		r = lmdb_get(l, txn, view_make(with_nul, key.len + 1), value, err);
		if (r > 0)
			l->try_plain = false;
	}
	if (r == 0 && l->try_plain) {
		r = lmdb_get(l, txn, key, value, err);
		if (r > 0)
			l->try_nul = false;
	}
	mdb_txn_abort(txn);
	return r;
}

static int dump_lmdb(struct table *table, table_row *row, void *argument, struct error *err)
{
	struct lmdb *l = table->data;
	MDB_cursor *cursor;
	MDB_txn *txn;
	MDB_val key, value;
	int r = mdb_txn_begin(l->env, NULL, MDB_RDONLY, &txn), stop = 0;

	if (r != 0)
		return lmdb_error(r, err, "read", table->specification);
	r = mdb_cursor_open(txn, l->dbi, &cursor);
	if (r == 0) {
		while (stop == 0 && (r = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
			stop = row(argument, lmdb_view(&key), lmdb_view(&value));
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	if (stop != 0 || r == MDB_NOTFOUND)
		return stop;
	return lmdb_error(r, err, "read", table->specification);
}

const struct table_type table_type_lmdb = {
	.name = "lmdb",
	.folds = true,
	.open = open_lmdb,
	.lookup = lookup_lmdb,
	.close = close_lmdb,
	.dump = dump_lmdb,
};

/* ---- writing ---- */

static int lmdb_put(MDB_txn *txn, MDB_dbi dbi, const struct index_entry *entry, unsigned flags)
{
	_cleanup_(str_free) struct str key = STR_EMPTY, value = STR_EMPTY;

	str_append(&key, entry->key);
	str_append_byte(&key, '\0');
	str_append(&value, entry->value);
	str_append_byte(&value, '\0');

	MDB_val k = { key.len, key.data }, v = { value.len, value.data };

	return mdb_put(txn, dbi, &k, &v, flags);
}

static int lmdb_delete_key(MDB_txn *txn, MDB_dbi dbi, struct view key, bool *deleted)
{
	_cleanup_(str_free) struct str with_nul = STR_EMPTY;
	int r;

	str_append(&with_nul, key);
	str_append_byte(&with_nul, '\0');

	MDB_val k = { with_nul.len, with_nul.data };

	r = mdb_del(txn, dbi, &k, NULL);
	if (r == MDB_NOTFOUND) {
		k.mv_size--;
		r = mdb_del(txn, dbi, &k, NULL);
	}
	*deleted = r == 0;
	return r == MDB_NOTFOUND ? 0 : r;
}

static int lmdb_change(MDB_txn *txn, MDB_dbi dbi, const struct index_entry *entries, size_t count,
		       bool replace, int *changed)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		bool done = true;

		if (entries[i].value.data == NULL)
			r = lmdb_delete_key(txn, dbi, entries[i].key, &done);
		else
			r = lmdb_put(txn, dbi, &entries[i], replace ? 0 : MDB_NOOVERWRITE);
		*changed += done;
	}
	return r;
}

/* One transaction over all entries; the file is synced by its commit. */
static int write_entries(const char *path, const struct index_entry *entries, size_t count,
			 bool replace, mode_t mode, size_t map_size, struct error *err)
{
	MDB_env *env;
	MDB_txn *txn = NULL;
	MDB_dbi dbi;
	int r = mdb_env_create(&env), changed = 0;

	if (r != 0)
		return lmdb_error(r, err, "write", path);
	mdb_env_set_mapsize(env, map_size);
	r = mdb_env_open(env, path, MDB_NOLOCK | MDB_NOSUBDIR, mode);
	if (r == 0)
		r = mdb_txn_begin(env, NULL, 0, &txn);
	if (r == 0)
		r = mdb_dbi_open(txn, NULL, 0, &dbi);
	if (r == 0)
		r = lmdb_change(txn, dbi, entries, count, replace, &changed);
	if (r == 0)
		r = mdb_txn_commit(txn);
	else if (txn != NULL)
		mdb_txn_abort(txn);
	mdb_env_close(env);
	if (r == MDB_KEYEXIST)
		return error_set(err, -EEXIST, "a key is there already");
	return r == 0 ? changed : lmdb_error(r, err, "write", path);
}

static size_t size_of(const struct index_entry *entries, size_t count)
{
	size_t size = MAP_SPARE_BYTES;

	/* Pages may be half empty, and large values take whole pages. */
	for (size_t i = 0; i < count; i++)
		size += 3 * (entries[i].key.len + entries[i].value.len + 32) +
			(entries[i].value.len > 1000 ? 4096 : 0);
	return (size + 4095) / 4096 * 4096;
}

static int lmdb_create(const char *path, const struct index_entry *entries, size_t count,
		       mode_t mode, struct error *err)
{
	for (size_t i = 0; i < count; i++)
		if (entries[i].key.len > LMDB_KEY_MAX - 1)
			return error_set(
				err, -EINVAL, "LMDB's keys have at most %d bytes: \"%.*s...\"",
				LMDB_KEY_MAX - 1, VIEW_ARG(view_first(entries[i].key, 60)));

	int r = write_entries(path, entries, count, true, mode, size_of(entries, count), err);

	return r < 0 ? r : 0;
}

static int lmdb_edit(const char *path, const struct index_entry *entries, size_t count,
		     bool replace, struct error *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return error_errno(err, "stat %s", path);
	return write_entries(path, entries, count, replace, st.st_mode & 0777,
			     (size_t)st.st_size * 2 + size_of(entries, count), err);
}

const struct index_writer lmdb_writer = {
	.suffix = ".lmdb",
	.create = lmdb_create,
	.edit = lmdb_edit,
};
