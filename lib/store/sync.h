/* Files to index: what was delivered, and what other programs did. Of lib/store only. */
#ifndef STORE_SYNC_H
#define STORE_SYNC_H

#include "store/index.h"

/*
 * Brings the index up to what is in the folder's directories; looks only at their times when nothing
 * changed. 0, -ENOENT if the folder is gone (it is then gone from the index, too), -EAGAIN if the index
 * is another than it was (the folder must be looked up again), or another errno.
 */
int folder_sync(struct store *store, uint32_t id);
/* The same for the list of folders; follows to another index first. */
int folders_sync(struct store *store);
/* Without following. */
int folders_read(struct store *store);
/* Finds a folder by its name, and has read it once: its UIDs may only be known to its files. */
int folder_prepare(struct store *store, struct view name, struct folder *folder);
/* Removes what crashed programs left in tmp/. */
void folder_clean_tmp(struct tx *tx, const struct folder *folder);
/* Time of a directory's last change in ns; 0: there is none. */
int64_t directory_time(const char *path);
/*
 * The same, or 0 if the directory may change again without showing it: the kernel takes times of files
 * from a clock that ticks slowly, and this one changed within the tick of now.
 */
int64_t directory_stable_time(const char *path);

#endif
