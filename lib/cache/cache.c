/*
 * What is in a cache: a record for each key, and the order in which they will be over. Which file it is
 * in is cache_open.c's matter.
 */
#include "cache/cache.h"

#include <endian.h>
#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "cache/internal.h"

#define CHANGES_MAX   1000  /* of one transaction, for its pages are in memory */
#define SYNC_INTERVAL 1000  /* ms */
#define WARN_INTERVAL 60000 /* ms */
#define IDLE_PAUSE    60000 /* ms */
#define PROVEN_AFTER  60000 /* ms */

/* The database "records": SHA-256 of the key -> this and the value. */
struct cache_record_head {
	uint64_t expires, written; /* big-endian */
};

/* The database "ends": nothing for a key like this, in the order of time. */
struct cache_end {
	uint64_t expires; /* big-endian */
	unsigned char key[SHA256_DIGEST_SIZE];
};

struct cache_record_found {
	int64_t expires, written;
	struct view value;
};

/* ---- transactions ---- */

bool cache_file_lock(struct cache_file *cache)
{
	if (cache->locked || flock(cache->fd, LOCK_EX | LOCK_NB) < 0)
		return cache->locked;
	cache->locked = true;
	/* Without the note nothing is lost but that this process would not count, should it fail. */
	if (cache->mark >= 0)
		cache->proven = write(cache->mark, CACHE_NOTE_OPENED, 1) != 1;
	return true;
}

/* The changes since the last commit are lost. */
static void cache_failed(struct cache_file *cache, int code)
{
	if (cache->txn != NULL)
		mdb_txn_abort(cache->txn);
	cache->txn = NULL;
	cache->changes = 0;
	if (code == MDB_PANIC)
		log_fatal("cache %s: a commit failed: it must be opened again", cache->path);
	/* EINVAL: LMDB has read numbers that cannot be. */
	if (code == EINVAL || (code < 0 && code != MDB_MAP_FULL && code != MDB_TXN_FULL)) {
		mark_write(cache->mark);
		log_fatal("cache %s is damaged: %s", cache->path, mdb_strerror(code));
	}
	if (cache->warned == 0 || clock_now() - cache->warned >= WARN_INTERVAL)
		log_warning("cache %s: what was changed last is not kept: %s", cache->path,
			    mdb_strerror(code));
	cache->warned = clock_now();
}

static int cache_begin_txn(struct cache_file *cache)
{
	int code = mdb_txn_begin(cache->env, NULL, 0, &cache->txn);

	if (code != 0) {
		cache->txn = NULL;
		return code;
	}
	if (cache->ready)
		return 0;
	code = mdb_dbi_open(cache->txn, "records", MDB_CREATE, &cache->records);
	if (code == 0)
		code = mdb_dbi_open(cache->txn, "ends", MDB_CREATE, &cache->ends);
	if (code == 0)
		code = mdb_txn_commit(cache->txn);
	else
		mdb_txn_abort(cache->txn);
	cache->txn = NULL;
	if (code != 0)
		return code;
	cache->ready = true;
	return mdb_txn_begin(cache->env, NULL, 0, &cache->txn);
}

/* Around everything that LMDB does. False: there is nothing to work with now. */
static bool cache_enter(struct cache_file *cache, int *mark_before)
{
	int code;

	if (cache == NULL || !cache_file_lock(cache))
		return false;
	*mark_before = mark_begin(cache->mark);
	if (cache->txn != NULL)
		return true;
	code = cache_begin_txn(cache);
	if (code == 0)
		return true;
	cache_failed(cache, code);
	mark_end(*mark_before);
	return false;
}

static void cache_commit(struct cache_file *cache)
{
	MDB_txn *txn = cache->txn;
	int code;

	cache->synced = clock_now();
	if (cache->changes == 0 || txn == NULL)
		return;
	cache->txn = NULL;
	cache->changes = 0;
	code = mdb_txn_commit(txn);
	if (code != 0)
		cache_failed(cache, code);
}

/* What it has done for a while it will go on doing. */
static void cache_note_proven(struct cache_file *cache)
{
	if (cache->locked && !cache->proven && write(cache->mark, CACHE_NOTE_PROVEN, 1) == 1)
		cache->proven = true;
}

/* No room although there should be: the file was larger once, or was made for other limits. */
static void cache_empty(struct cache_file *cache)
{
	int code = cache_begin_txn(cache);

	if (code == 0)
		code = mdb_drop(cache->txn, cache->records, 0);
	if (code == 0)
		code = mdb_drop(cache->txn, cache->ends, 0);
	if (code != 0) {
		cache_failed(cache, code);
		return;
	}
	log_warning("cache %s is full: it begins anew, empty", cache->path);
	cache->changes++;
	cache_commit(cache);
}

static void cache_leave(struct cache_file *cache, int code, int mark_before)
{
	if (code != 0 && code != MDB_NOTFOUND)
		cache_failed(cache, code);
	if (code == MDB_MAP_FULL)
		cache_empty(cache);
	if (cache->changes >= CHANGES_MAX ||
	    (cache->changes > 0 && clock_now() - cache->synced >= SYNC_INTERVAL))
		cache_commit(cache);
	mark_end(mark_before);
	if (cache->changes > 0)
		wake_all(&cache->changed);
}

/* ---- records ---- */

static MDB_val cache_val(const void *data, size_t len)
{
	return (MDB_val){ .mv_size = len, .mv_data = (void *)(uintptr_t)data };
}

static void cache_hash(struct view key, unsigned char *digest)
{
	struct sha256_ctx hash;

	sha256_init(&hash);
	sha256_update(&hash, key.len, (const uint8_t *)key.data);
	sha256_digest(&hash, SHA256_DIGEST_SIZE, digest);
}

static int cache_find(struct cache_file *cache, const unsigned char *digest,
		      struct cache_record_found *found)
{
	MDB_val k = cache_val(digest, SHA256_DIGEST_SIZE), v;
	struct cache_record_head head;
	int code = mdb_get(cache->txn, cache->records, &k, &v);

	if (code != 0)
		return code;
	if (v.mv_size < sizeof(head))
		return MDB_CORRUPTED;
	memcpy(&head, v.mv_data, sizeof(head));
	found->expires = (int64_t)be64toh(head.expires);
	found->written = (int64_t)be64toh(head.written);
	found->value = view_make((const char *)v.mv_data + sizeof(head), v.mv_size - sizeof(head));
	return 0;
}

static bool cache_record_is_over(const struct cache_record_found *found, int64_t now)
{
	return found->expires <= now || found->written > now + CACHE_CLOCK_SLACK;
}

static int cache_delete(struct cache_file *cache, const unsigned char *digest, int64_t expires)
{
	struct cache_end end = { .expires = htobe64((uint64_t)expires) };
	MDB_val k = cache_val(digest, SHA256_DIGEST_SIZE), e = cache_val(&end, sizeof(end));
	int code;

	memcpy(end.key, digest, sizeof(end.key));
	code = mdb_del(cache->txn, cache->records, &k, NULL);
	if (code == 0)
		code = mdb_del(cache->txn, cache->ends, &e, NULL);
	cache->changes += code == 0;
	/* The two databases are changed together, so that one without the other is damage. */
	return code == MDB_NOTFOUND ? MDB_CORRUPTED : code;
}

/* What is there of that key. */
static int cache_delete_old(struct cache_file *cache, const unsigned char *digest)
{
	struct cache_record_found found;
	int code = cache_find(cache, digest, &found);

	return code == 0 ? cache_delete(cache, digest, found.expires) : code;
}

/* The one that is over first (MDB_FIRST) or last. */
static int cache_outermost(struct cache_file *cache, MDB_cursor_op which, unsigned char *digest,
			   struct cache_record_found *found)
{
	struct cache_end end;
	MDB_cursor *cursor;
	MDB_val k, v;
	int code = mdb_cursor_open(cache->txn, cache->ends, &cursor);

	if (code != 0)
		return code;
	code = mdb_cursor_get(cursor, &k, &v, which);
	if (code == 0 && k.mv_size != sizeof(end))
		code = MDB_CORRUPTED;
	if (code == 0)
		memcpy(&end, k.mv_data, sizeof(end));
	mdb_cursor_close(cursor);
	if (code != 0)
		return code;
	memcpy(digest, end.key, sizeof(end.key));
	code = cache_find(cache, digest, found);
	if (code == MDB_NOTFOUND || (code == 0 && found->expires != (int64_t)be64toh(end.expires)))
		return MDB_CORRUPTED;
	return code;
}

/*
 * Of the two ends: the first is over, or (for a full cache) has to go; the last may have been written
 * when the clock was ahead. MDB_NOTFOUND: neither.
 */
static int cache_remove_one(struct cache_file *cache, int64_t now, bool must)
{
	static const MDB_cursor_op ends[] = { MDB_LAST, MDB_FIRST };
	unsigned char digest[SHA256_DIGEST_SIZE];
	struct cache_record_found found;

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		int code = cache_outermost(cache, ends[i], digest, &found);

		if (code != 0)
			return code;
		if (cache_record_is_over(&found, now) || (must && ends[i] == MDB_FIRST))
			return cache_delete(cache, digest, found.expires);
	}
	return MDB_NOTFOUND;
}

static int cache_count_txn(struct cache_file *cache, size_t *count)
{
	MDB_stat st = { 0 };
	int code = mdb_stat(cache->txn, cache->records, &st);

	*count = st.ms_entries;
	return code;
}

static int cache_make_room(struct cache_file *cache, int64_t now)
{
	size_t count;
	int code = cache_count_txn(cache, &count);

	/* More than one: the limit was higher before. They go with the puts, some with each. */
	for (int i = 0; i < 10 && code == 0 && count >= cache->entries; i++) {
		code = cache_remove_one(cache, now, true);
		count--;
	}
	return code;
}

static int cache_insert(struct cache_file *cache, const unsigned char *digest, struct view value,
			int64_t now, int64_t expires)
{
	struct cache_record_head head = { .expires = htobe64((uint64_t)expires),
					  .written = htobe64((uint64_t)now) };
	struct cache_end end = { .expires = head.expires };
	MDB_val k = cache_val(digest, SHA256_DIGEST_SIZE), e = cache_val(&end, sizeof(end));
	MDB_val v = cache_val(NULL, sizeof(head) + value.len), none = cache_val("", 0);
	int code = mdb_put(cache->txn, cache->records, &k, &v, MDB_RESERVE);

	if (code != 0)
		return code;
	memcpy(v.mv_data, &head, sizeof(head));
	if (value.len > 0)
		memcpy((char *)v.mv_data + sizeof(head), value.data, value.len);
	memcpy(end.key, digest, sizeof(end.key));
	cache->changes++;
	return mdb_put(cache->txn, cache->ends, &e, &none, 0);
}

/* ---- what programs call ---- */

bool cache_file_get(struct cache_file *cache, struct view key, int64_t now, struct str *value,
		    int64_t *expires)
{
	unsigned char digest[SHA256_DIGEST_SIZE];
	struct cache_record_found found;
	bool is_there = false;
	int before, code;

	if (!cache_enter(cache, &before))
		return false;
	cache_hash(key, digest);
	code = cache_find(cache, digest, &found);
	if (code == 0 && cache_record_is_over(&found, now)) {
		code = cache_delete(cache, digest, found.expires);
	} else if (code == 0) {
		is_there = true;
		str_clear(value);
		str_append(value, found.value);
		if (expires != NULL)
			*expires = found.expires;
	}
	cache_leave(cache, code, before);
	return is_there;
}

int cache_file_put(struct cache_file *cache, struct view key, struct view value, int64_t now,
		   int64_t expires)
{
	unsigned char digest[SHA256_DIGEST_SIZE];
	int before, code;

	if (value.len > CACHE_VALUE_MAX)
		return -EMSGSIZE;
	/* Before 1970 the order of the numbers would not be that of time. */
	if (now < 0 || expires <= now || !cache_enter(cache, &before))
		return 0;
	cache_hash(key, digest);
	code = cache_delete_old(cache, digest);
	if (code == MDB_NOTFOUND)
		code = cache_make_room(cache, now);
	if (code == 0)
		code = cache_insert(cache, digest, value, now, expires);
	cache_leave(cache, code, before);
	return 0;
}

void cache_file_remove(struct cache_file *cache, struct view key)
{
	unsigned char digest[SHA256_DIGEST_SIZE];
	int before;

	if (!cache_enter(cache, &before))
		return;
	cache_hash(key, digest);
	cache_leave(cache, cache_delete_old(cache, digest), before);
}

size_t cache_file_sweep(struct cache_file *cache, int64_t now, size_t limit)
{
	size_t removed = 0;
	int before, code = 0;

	if (!cache_enter(cache, &before))
		return 0;
	while (removed < limit && (code = cache_remove_one(cache, now, false)) == 0)
		removed++;
	cache_leave(cache, code, before);
	before = mark_begin(cache->mark);
	cache_commit(cache);
	mark_end(before);
	if (clock_now() - cache->opened >= PROVEN_AFTER)
		cache_note_proven(cache);
	return removed;
}

void cache_file_pause(struct cache_file *cache)
{
	if (cache != NULL && cache->changes == 0)
		wait_on(&cache->changed, clock_after(IDLE_PAUSE));
	task_sleep(SYNC_INTERVAL);
}

size_t cache_file_count(struct cache_file *cache)
{
	size_t count = 0;
	int before;

	if (cache_enter(cache, &before))
		cache_leave(cache, cache_count_txn(cache, &count), before);
	return count;
}

void cache_file_close(struct cache_file *cache)
{
	if (cache == NULL)
		return;
	if (cache->env != NULL) {
		int before = mark_begin(cache->mark);

		cache_commit(cache);
		if (cache->txn != NULL)
			mdb_txn_abort(cache->txn);
		mdb_env_close(cache->env);
		mark_end(before);
		cache_note_proven(cache);
	}
	wake_all(&cache->changed);
	mem_closep(&cache->fd);
	mem_closep(&cache->mark);
	free(cache->path);
	free(cache);
}
