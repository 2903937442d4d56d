/* The list of folders in the index. Of lib/store only. */
#ifndef STORE_FOLDERS_H
#define STORE_FOLDERS_H

#include "store/follow.h"
#include "store/index.h"

/* Follows to another index if there is one, and reads which folders there are, if that has changed. */
int folders_sync(struct store *store);
/* Finds a folder by its name, and has read it once: its UIDs may only be known to its files. */
int folder_prepare(struct store *store, struct view name, struct folder *folder);
/* A transaction that rests on nothing but the list of folders. */
int folders_write(struct store *store, store_work *work, void *argument);

#endif
