/* An open store, as the files of lib/store share it. Of lib/store only. */
#ifndef STORE_HANDLE_H
#define STORE_HANDLE_H

#include "store/env.h"

struct store {
	char *path;		     /* of the Maildir, without a slash at the end: "" for "/" */
	char *index;		     /* its posta.index */
	char *data_file, *lock_file; /* in it */
	struct environment env;
	uint64_t limit;
	const struct quota *quota; /* NULL: none */
	bool made_room;		   /* something was removed since store_quota_made_room was asked */
	int64_t tombstone_time;	   /* seconds */
	bool leave_owed, packs;
	/*
	 * Goes up when another index than before was opened. Numbers of folders and contents are an
	 * index's own: what was found in one generation is looked up again in the next, by whoever
	 * needs it.
	 */
	unsigned generation;
	struct list mailboxes; /* that are open */
	struct map *pending;   /* cache records that are not yet in the index, by content */
	size_t pending_bytes;
	struct tx shared; /* open while it has a txn (store/shared.h) */
};

const char *store_path(const struct store *store); /* "/" rather than "" */

#endif
