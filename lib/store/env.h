/*
 * LMDB, and nothing else: an environment of thirteen databases, its transactions and items. Of lib/store
 * only; no other file knows LMDB.
 *
 * Functions return 0 or a negative errno. What went wrong with the transaction itself, whatever the
 * function in the middle makes of it, stands in tx->result: write.c grows the map and begins again, and
 * what does many pieces in one transaction can tell a piece that failed from a transaction that cannot go on.
 */
#ifndef STORE_ENV_H
#define STORE_ENV_H

#include <sys/types.h>

#include "base/list.h"
#include "base/map.h"
#include "store/names.h"
#include "store/records.h"

#define MARK_FILE "crashed" /* in the index' directory: a process crashed in it (base/mark.h) */

struct store;
struct MDB_env;
struct MDB_txn;
struct MDB_cursor;

enum db {
	DB_META,
	DB_NAMES,
	DB_FOLDERS,
	DB_SUBSCRIPTIONS,
	DB_KEYWORDS,
	DB_STATES,
	DB_MAILS,
	DB_CHANGES,
	DB_TIDY,
	DB_GONE,
	DB_COPIES,
	DB_CACHE,
	DB_FILTERS,
	DB_COUNT
};

/* Which file it is, whatever its name is now. */
struct file_id {
	dev_t device;
	ino_t inode;
};

/* An LMDB environment that is open. */
struct environment {
	const char *directory; /* the owner's */
	uint64_t limit;	       /* bytes that the map may grow to */
	struct MDB_env *mdb;
	struct MDB_txn *reader; /* reset between calls */
	unsigned db[DB_COUNT];
	struct file_id data, lock;
	int mark;	/* where a crash is noted (base/mark.h), or -1 */
	bool condemned; /* damage was found in it: to be left for another */
};

enum tx_result {
	TX_GOOD,
	TX_MAP_FULL, /* nothing is wrong but that: once more with a larger one */
	TX_BROKEN,   /* LMDB refuses to go on, or the index is damaged: that is condemned as well */
};

/* A transaction. */
struct tx {
	struct store *store;
	struct environment *env;
	struct MDB_txn *txn;
	enum tx_result result;
	int mark_before;
	size_t writes; /* items put or deleted */
	bool borrowed; /* of the store's shared one (store/shared.h), to read what stands in it */
};

enum {
	WRITE_DURABLE,
	WRITE_LAZY,  /* in order, but a power cut may undo the last ones */
	WRITE_SHARED /* durable when it is asked for (store/shared.h) */
};

/* In `directory`, which exists. On failure the caller closes it. -EUCLEAN: it is damaged. */
int environment_open(struct environment *env, const char *directory, uint64_t limit);
void environment_close(struct environment *env);
/* Doubles the map. -ENOSPC: the limit is reached. No transaction may be open. */
int environment_grow(struct environment *env);

/* So many pages can be written without growth; grows the map for that if it may. No transaction may be open. */
bool environment_has_room(struct environment *env, size_t pages);

/* Lets go of the memory in which the file is seen; it comes back as it is looked at. No transaction may be open. */
void environment_rest(struct environment *env);

/* Does another process have it open? */
bool environment_is_shared(struct environment *env);

/* It is damaged, and nobody can mend it: it is to be left, and made again (store/follow.h). */
void environment_condemn(struct environment *env);

int tx_begin(struct tx *tx, struct store *store, struct environment *env);
int tx_commit(struct tx *tx, int how);
void tx_abort(struct tx *tx);
/* Between two uses of a transaction that stays open: what crashes there is not its fault. */
void tx_rest(struct tx *tx);
void tx_resume(struct tx *tx);
/* For reading; tx_end ends it. */
void tx_borrow(struct tx *tx, const struct tx *shared);
int tx_begin_reading(struct tx *tx, struct store *store, struct environment *env);
void tx_end(struct tx *tx);
/* A record that makes no sense: logs it, condemns the index, and returns -EUCLEAN. */
int tx_damaged(struct tx *tx, const char *what);

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
	struct tx *tx;
	struct MDB_cursor *cursor;
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
