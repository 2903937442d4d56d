/*
 * What files owe to the index: the renames and removals that follow a transaction. Of lib/store only.
 */
#ifndef STORE_OWED_H
#define STORE_OWED_H

#include "base/clock.h"
#include "store/index.h"

/*
 * Does up to `max` pieces in the caller's transaction, until the deadline. 0: nothing is left; 1: there
 * is more; negative: the transaction cannot go on. *failure: 0, or why a piece could not be done (the rest
 * was, and is to be written down).
 */
int owed_settle(struct tx *tx, size_t max, msec_t deadline, int *failure);
/* For changes of folders themselves: nothing in them may be owed. */
int owed_settle_all(struct tx *tx);
/* For an index that nobody will have open any more. Without `folders` no folder is removed. */
int owed_settle_last(struct tx *tx, bool folders);
/*
 * For those who read a folder's directories: the files there that are spoken for, though no message of
 * the folder says so, or not under this name. Puts owed_key() of each into `known`.
 */
int owed_files(struct tx *tx, uint32_t folder, struct map *known);
/* By what stays the same in its name. */
void owed_key(struct str *out, enum part part, struct view file);
/* Who looks for a file in order to rename or remove it. */
struct seeker {
	struct tx *tx;
	uint32_t folder; /* that it looks in */
	uint32_t uid;	 /* of its message, if that is this folder's; else 0 */
};
/*
 * Finds the file of a message that is not where the index says, because another program renamed it,
 * or a crash undid the transaction that followed: by what stays the same in its name, in cur/, new/
 * and tmp/. That may be another message's as well, a copy's, with the same content: all the same to who
 * only reads it (`seeker` is NULL), for others it is not there. Sets part and appends the name. 0, -ENOENT, or another negative
 * errno: it could not be looked for.
 */
int file_locate(const char *directory, struct view file, const struct seeker *seeker,
		enum part *part, struct str *name);

#endif
