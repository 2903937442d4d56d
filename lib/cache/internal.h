/* Between cache_open.c and cache.c. */
#ifndef CACHE_INTERNAL_H
#define CACHE_INTERNAL_H

#include <lmdb.h>

#include "base/clock.h"
#include "cache/cache.h"
#include "task/task.h"

/* Notes in path.crashed, a byte each. "x" is mark_write's. */
#define CACHE_NOTE_OPENED "."
#define CACHE_NOTE_PROVEN "s" /* closed in good order, or used for a while */

struct cache_file {
	char *path; /* for people */
	uint64_t entries;
	int fd, mark;
	MDB_env *env;
	MDB_txn *txn;	       /* open for writing as long as nothing failed, or NULL */
	MDB_dbi records, ends; /* valid once `ready` */
	bool locked;
	bool ready;
	bool proven; /* noted, or it has no notes */
	msec_t opened;
	unsigned changes; /* in txn */
	msec_t synced;	  /* when it was last made durable */
	msec_t warned;	  /* 0: never */
	struct waitlist changed;
};

/* cache.c: tries to get hold of the file. False: another process has it. */
bool cache_file_lock(struct cache_file *cache);

#endif
