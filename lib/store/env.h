/*
 * The LMDB environment of a store: opening, growing, transactions. Of lib/store only. No LMDB code
 * goes further than this file's functions: they all return 0 or a negative errno.
 *
 * Work in a write transaction is a function, because it is done again from the start when the map had
 * to grow in the middle of it: it must not change what it cannot change twice.
 */
#ifndef STORE_ENV_H
#define STORE_ENV_H

#include <lmdb.h>

#include "base/map.h"
#include "store/names.h"
#include "store/records.h"

enum db {
	DB_META,
	DB_NAMES,
	DB_FOLDERS,
	DB_WANTED,
	DB_WORDS,
	DB_STATES,
	DB_MAILS,
	DB_CHANGES,
	DB_TIDY,
	DB_GONE,
	DB_COPIES,
	DB_CACHE,
	DB_COUNT
};

struct store {
	char *path;  /* of the Maildir, without a slash at the end: "" for "/" */
	char *index; /* its posta.index */
	MDB_env *env;
	MDB_txn *reader; /* reset between calls */
	MDB_dbi db[DB_COUNT];
	uint64_t limit;
	uint64_t device, inode; /* of the data file: another process may have made a new index */
	struct map *pending;	/* cache records that are not yet in the index, by content */
	size_t pending_bytes;
};

/* A transaction. */
struct tx {
	struct store *store;
	MDB_txn *txn;
};

int env_open(struct store *store, struct error *err);
void env_close(struct store *store);

enum { WRITE_DURABLE, WRITE_LAZY /* in order, but a power cut may undo the last ones */ };
typedef int store_work(struct tx *tx, void *argument);
/* 0 or more: what `work` returned, committed; negative: nothing happened. */
int store_write(struct store *store, int how, store_work *work, void *argument);

/* A read transaction; never held over a return to the user of lib/store. */
int store_read(struct store *store, struct tx *tx);
void tx_end(struct tx *tx);

/* What comes back is valid until the next write in the same transaction, or its end. */
int tx_get(struct tx *tx, enum db db, struct view key, struct view *value);
int tx_put(struct tx *tx, enum db db, struct view key, struct view value);
/* -ENOENT if it is not there. */
int tx_delete(struct tx *tx, enum db db, struct view key);

/*
 * The items whose keys begin with `prefix`, from the first key >= from on.
 *
 *	for (r = walk_begin(&walk, tx, DB_MAILS, prefix, from); r > 0; r = walk_next(&walk)) ...
 *	walk_end(&walk);
 *
 * r: 1 an item, 0 no more, negative errno. While walking only walk_delete may write to that database.
 */
struct walk {
	MDB_cursor *cursor;
	struct view prefix, key, value;
};
int walk_begin(struct walk *walk, struct tx *tx, enum db db, struct view prefix, struct view from);
int walk_next(struct walk *walk);
int walk_delete(struct walk *walk);
void walk_end(struct walk *walk);

/* Numbers of the whole store: 0 where there is none yet. */
int meta_get(struct tx *tx, const char *name, uint64_t *value);
int meta_put(struct tx *tx, const char *name, uint64_t value);
/* The next of a series that begins with 1. */
int meta_next(struct tx *tx, const char *name, uint64_t *value);

#endif
