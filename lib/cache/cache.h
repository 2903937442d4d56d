/*
 * A cache that outlives its program: keys with a value each and a time when it is over, in one file of
 * LMDB that one process at a time has (verify's results, clients that were seen before). What is in it
 * may be lost at any time: a damaged file is thrown away with a warning (at the third process in a row that it
 * ended, at the latest), and what was put in during the
 * last second before a crash is forgotten.
 *
 *	prepare():	r = cache_file_open(path, entries, &cache, err);
 *	a task:		while (cache != NULL) { cache_file_pause(cache); cache_file_sweep(cache, clock_wall(), n); }
 *	in between:	cache_file_get, cache_file_put, cache_file_remove
 *	retire():	cache_file_close(cache); cache = NULL;	the next process has it then
 *
 * Bounded: there are never more than `entries`; where there is no room what would be over first goes. Keys
 * may be of any length (their SHA-256 is kept), values of CACHE_VALUE_MAX. The file grows with
 * what is in it, never beyond what `entries` of the largest values take.
 *
 * No call waits for anything but the disk: one in a second, and each sweep, makes durable what was
 * changed (one fdatasync). No task switch happens inside, but for cache_file_pause. All take a NULL cache, which is empty and
 * stays so.
 *
 * Times are seconds of the wall clock. When the clock has gone back, what was put in by then more than
 * CACHE_CLOCK_SLACK ahead of now is not believed and goes.
 *
 * Nothing but what every program may is needed after confinement. No foreign bytes of the file but
 * LMDB's first pages are looked at before it, and only in a file that nobody else could write.
 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct cache_file;

#define CACHE_VALUE_MAX	  1024 /* bytes */
#define CACHE_ENTRIES_MAX 10000000
#define CACHE_CLOCK_SLACK 3600 /* seconds */

/*
 * The file `path`, made if it is not there, its folder too; `path`.crashed beside it says how the
 * processes before ended. NULL: in memory only. While another process has it open this one is empty, and
 * takes nothing: a program that is replaced has it until its retire(). `entries` is brought within 1 to
 * CACHE_ENTRIES_MAX.
 */
int cache_file_open(const char *path, uint64_t entries, struct cache_file **cache,
		    struct error *err);
/*
 * The same for a parameter that has a map of Postfix's, "btree:/path" and its kin: the file is `path`.posta,
 * for which type it is is our own affair. Empty, or no file (logged): in memory.
 */
int cache_file_open_map(const char *parameter, const char *map, uint64_t entries,
			struct cache_file **cache, struct error *err);
/* Makes it durable, and lets others have it. */
void cache_file_close(struct cache_file *cache);
void cache_file_closep(struct cache_file **cache);

/* True: it is there and not over yet. *value is replaced; *expires may be NULL. */
bool cache_file_get(struct cache_file *cache, struct view key, int64_t now, struct str *value,
		    int64_t *expires);
/* In place of what the key had. 0, or -EMSGSIZE; what fails otherwise is logged and not kept. */
int cache_file_put(struct cache_file *cache, struct view key, struct view value, int64_t now,
		   int64_t expires);
void cache_file_remove(struct cache_file *cache, struct view key);
/* Removes what is over, at most `limit` of it, and makes all changes durable. How many it removed. */
size_t cache_file_sweep(struct cache_file *cache, int64_t now, size_t limit);
/*
 * The wait between two sweeps: a second after something was changed; a minute where nothing is. The one
 * call that lets other tasks run: the cache may be closed when it returns.
 */
void cache_file_pause(struct cache_file *cache);
/* How many there are, what is over and not swept yet among them. */
size_t cache_file_count(struct cache_file *cache);

#endif
