/*
 * hash:/path and btree:/path: the Berkeley DB file path.db, as postmap makes it. Keys and values
 * there end in a NUL byte, or do not, depending on who made the file: both are tried until one
 * of them was found once.
 *
 * The library keeps the file's descriptor, so look-ups work in a chroot; it never maps the file,
 * as another program's postmap may shorten it while it is read.
 */
#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "table/internal.h"

enum { READ_CACHE_BYTES = 128 << 10, WRITE_CACHE_BYTES = 16 << 20 };

struct berkeley {
	DB *db;
	bool try_nul, try_plain;
	struct str key;
};

static int db_error(int r, struct error *err, const char *what, const char *path)
{
	return error_set(err, r > 0 ? -r : -EIO, "%s %s: %s", what, path, db_strerror(r));
}

/* Berkeley DB writes to standard error unless somebody else takes what it says. */
static void berkeley_take_message(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env;
	(void)prefix;
	log_warning("Berkeley DB: %s", text);
}

/*
 * What the library gives back, pages of its cache among it, is wiped: a child that has closed the
 * table keeps nothing of those who stand there.
 */
static void berkeley_wipe_and_free(void *memory)
{
	if (memory != NULL)
		mem_wipe(memory, malloc_usable_size(memory));
	free(memory);
}

static DBT dbt_of(struct view v)
{
	return (DBT){ .data = (void *)(uintptr_t)v.data, .size = (u_int32_t)v.len };
}

static int open_file(DB **db, const char *path, DBTYPE type, u_int32_t flags, mode_t mode,
		     u_int32_t cache, struct error *err)
{
	static bool prepared;
	int r;

	if (!prepared) {
		db_env_set_func_free(berkeley_wipe_and_free);
		prepared = true;
	}
	r = db_create(db, NULL, 0);
	if (r != 0) {
		*db = NULL;
		return db_error(r, err, "open", path);
	}
	(*db)->set_errcall(*db, berkeley_take_message);
	(*db)->set_cachesize(*db, 0, cache, 1);
	r = (*db)->open(*db, NULL, path, NULL, type, flags, (int)mode);
	if (r == 0)
		return 0;
	(*db)->close(*db, 0);
	*db = NULL;
	return db_error(r, err, "open", path);
}

/* The source was edited and nobody ran postmap: worth a word, as in Postfix. */
static void warn_if_stale(const struct table *table, const char *source, const char *path)
{
	struct stat st;

	if (stat(source, &st) == 0 && st.st_mtime > table->seen.st_mtime + 1)
		log_warning("%s is older than %s", path, source);
}

static int open_berkeley(struct table *table, struct view name, DBTYPE type, struct error *err)
{
	struct berkeley *b = table->data = mem_new(struct berkeley);
	_cleanup_(str_free) struct str source = STR_EMPTY, path = STR_EMPTY;
	int r;

	b->try_nul = b->try_plain = true;
	str_append(&source, name);
	str_printf(&path, "%s.db", str_cstr(&source));
	r = table_watch(table, str_cstr(&path), err);
	if (r == -ENOENT && access(str_cstr(&source), F_OK) == 0)
		return error_set(err, r, "%s is not there yet: posta map or posta alias makes it",
				 str_cstr(&path));
	if (r < 0)
		return r;
	warn_if_stale(table, str_cstr(&source), str_cstr(&path));
	return open_file(&b->db, str_cstr(&path), type, DB_RDONLY | DB_NOMMAP, 0, READ_CACHE_BYTES,
			 err);
}

static int open_hash(struct table *table, struct view name, struct error *err)
{
	return open_berkeley(table, name, DB_HASH, err);
}

static int open_btree(struct table *table, struct view name, struct error *err)
{
	return open_berkeley(table, name, DB_BTREE, err);
}

static void close_berkeley(struct table *table)
{
	struct berkeley *b = table->data;

	if (b == NULL)
		return;
	if (b->db != NULL)
		b->db->close(b->db, 0);
	str_free(&b->key);
	free(b);
}

/* 1 found, 0 not. */
static int berkeley_get(struct berkeley *b, struct view key, struct str *value, struct error *err)
{
	DBT k = dbt_of(key), v = { 0 };
	int r = b->db->get(b->db, NULL, &k, &v, 0);

	if (r == DB_NOTFOUND)
		return 0;
	if (r != 0)
		return error_set(err, -EAGAIN, "read: %s", db_strerror(r));
	if (v.size > 0 && ((const char *)v.data)[v.size - 1] == '\0')
		v.size--;
	str_append(value, view_make(v.data, v.size));
	return 1;
}

static int lookup_berkeley(struct table *table, struct view key, struct str *value,
			   struct error *err)
{
	struct berkeley *b = table->data;
	int r = 0;

	if (b->try_nul) {
		str_set(&b->key, key);
		str_append_byte(&b->key, '\0');
		r = berkeley_get(b, str_view(&b->key), value, err);
		if (r > 0)
			b->try_plain = false;
	}
	if (r == 0 && b->try_plain) {
		r = berkeley_get(b, key, value, err);
		if (r > 0)
			b->try_nul = false;
	}
	return r;
}

static struct view without_nul(const DBT *dbt)
{
	struct view v = view_make(dbt->data, dbt->size);

	if (v.len > 0 && v.data[v.len - 1] == '\0')
		v.len--;
	return v;
}

static int dump_berkeley(struct table *table, table_row *row, void *argument, struct error *err)
{
	struct berkeley *b = table->data;
	DBC *cursor;
	DBT key = { 0 }, value = { 0 };
	int r = b->db->cursor(b->db, NULL, &cursor, 0);

	if (r != 0)
		return db_error(r, err, "read", table->specification);
	while ((r = cursor->get(cursor, &key, &value, DB_NEXT)) == 0) {
		int stop = row(argument, without_nul(&key), without_nul(&value));

		if (stop != 0) {
			cursor->close(cursor);
			return stop;
		}
	}
	cursor->close(cursor);
	return r == DB_NOTFOUND ? 0 : db_error(r, err, "read", table->specification);
}

const struct table_type table_type_hash = {
	.name = "hash",
	.folds = true,
	.open = open_hash,
	.lookup = lookup_berkeley,
	.close = close_berkeley,
	.dump = dump_berkeley,
};
const struct table_type table_type_btree = {
	.name = "btree",
	.folds = true,
	.open = open_btree,
	.lookup = lookup_berkeley,
	.close = close_berkeley,
	.dump = dump_berkeley,
};

/* ---- writing ---- */

/* As Postfix writes them, with the NUL. */
static int berkeley_put(DB *db, const struct index_entry *entry, u_int32_t flags)
{
	_cleanup_(str_free) struct str key = STR_EMPTY, value = STR_EMPTY;

	str_append(&key, entry->key);
	str_append_byte(&key, '\0');
	str_append(&value, entry->value);
	str_append_byte(&value, '\0');

	DBT k = dbt_of(str_view(&key)), v = dbt_of(str_view(&value));

	return db->put(db, NULL, &k, &v, flags);
}

static int berkeley_finish(DB *db, int r, struct error *err, const char *path)
{
	int closed = db->close(db, 0);

	if (r != 0)
		return db_error(r, err, "write", path);
	return closed != 0 ? db_error(closed, err, "write", path) : 0;
}

static int berkeley_create(const char *path, DBTYPE type, const struct index_entry *entries,
			   size_t count, mode_t mode, struct error *err)
{
	DB *db;
	int r = open_file(&db, path, type, DB_CREATE | DB_EXCL, mode, WRITE_CACHE_BYTES, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = berkeley_put(db, &entries[i], 0);
	return berkeley_finish(db, r, err, path);
}

static int create_hash(const char *path, const struct index_entry *entries, size_t count,
		       mode_t mode, struct error *err)
{
	return berkeley_create(path, DB_HASH, entries, count, mode, err);
}

static int create_btree(const char *path, const struct index_entry *entries, size_t count,
			mode_t mode, struct error *err)
{
	return berkeley_create(path, DB_BTREE, entries, count, mode, err);
}

/* 1 deleted, 0 was not there; negative as an errno of Berkeley DB, which may itself be negative. */
static int berkeley_delete_key(DB *db, struct view key, bool *deleted)
{
	_cleanup_(str_free) struct str with_nul = STR_EMPTY;
	int r;

	str_append(&with_nul, key);
	str_append_byte(&with_nul, '\0');

	DBT k = dbt_of(str_view(&with_nul));

	r = db->del(db, NULL, &k, 0);
	if (r == DB_NOTFOUND) {
		k.size--;
		r = db->del(db, NULL, &k, 0);
	}
	*deleted = r == 0;
	return r == DB_NOTFOUND ? 0 : r;
}

static int berkeley_edit(const char *path, const struct index_entry *entries, size_t count,
			 bool replace, struct error *err)
{
	DB *db;
	int r = open_file(&db, path, DB_UNKNOWN, 0, 0, WRITE_CACHE_BYTES, err), changed = 0;
	struct view twice = VIEW_NONE;

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++) {
		bool done = true;

		if (entries[i].value.data == NULL)
			r = berkeley_delete_key(db, entries[i].key, &done);
		else
			r = berkeley_put(db, &entries[i], replace ? 0 : DB_NOOVERWRITE);
		if (r == DB_KEYEXIST)
			twice = entries[i].key;
		changed += done;
	}
	if (twice.data != NULL) {
		db->close(db, 0);
		return error_set(err, -EEXIST, "the key is there already: \"%.*s\"",
				 VIEW_ARG(twice));
	}
	r = berkeley_finish(db, r, err, path);
	return r < 0 ? r : changed;
}

const struct index_writer berkeley_hash_writer = {
	.suffix = ".db",
	.create = create_hash,
	.edit = berkeley_edit,
};
const struct index_writer berkeley_btree_writer = {
	.suffix = ".db",
	.create = create_btree,
	.edit = berkeley_edit,
};
