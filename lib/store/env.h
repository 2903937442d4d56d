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
#include <sys/types.h>

#include "base/list.h"
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

/* Which file it is, whatever its name is now. */
struct file_id {
	dev_t device;
	ino_t inode;
};

/* An LMDB environment that is open. */
struct environment {
	MDB_env *mdb;
	MDB_txn *reader; /* reset between calls */
	MDB_dbi db[DB_COUNT];
	struct file_id data, lock;
};

struct store {
	char *path;		     /* of the Maildir, without a slash at the end: "" for "/" */
	char *index;		     /* its posta.index */
	char *data_file, *lock_file; /* in it */
	struct environment env;
	uint64_t limit;
	/*
	 * Goes up when another index than before was opened: numbers of folders and contents, which
	 * are an index's own, must be looked up again.
	 */
	unsigned generation;
	bool following;	       /* store_follow is at work */
	struct list mailboxes; /* that are open */
	struct map *pending;   /* cache records that are not yet in the index, by content */
	size_t pending_bytes;
};

/* A transaction. */
struct tx {
	struct store *store;
	MDB_txn *txn;
};

int env_open(struct store *store, struct error *err);
void env_close(struct store *store);
/*
 * The files that are open are those that others open. Not so when somebody deleted the index, which
 * is allowed at any time. Two calls of stat().
 */
bool env_is_current(const struct store *store);

typedef int store_work(struct tx *tx, void *argument);
/*
 * Opens the index that is there now, or makes one. Before that, `last` is run as a transaction in the
 * old one, with a bool: nobody has made a new one yet. If no other can be opened the old one stays
 * open, for reading at least.
 */
int env_renew(struct store *store, store_work *last, struct error *err);

enum { WRITE_DURABLE, WRITE_LAZY /* in order, but a power cut may undo the last ones */ };
/*
 * 0 or more: what `work` returned, committed; negative: nothing happened. Follows (store/follow.h) to
 * another index before the work is done, so that it may find another generation of it.
 */
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
