/*
 * The files of the index: which are in use, made, deleted, set aside. Of lib/store only.
 *
 * Anybody of the user's may delete posta.index at any time, and a damaged one is moved to
 * posta.index.damaged: programs that have it open notice and go on with the next (follow.h).
 */
#ifndef STORE_INDEX_FILES_H
#define STORE_INDEX_FILES_H

#include "store/write.h"

int index_open(struct store *store, struct error *err);
void index_close(struct store *store);
/*
 * The files that are open are those that others open, and nothing is known against them. Two calls of
 * stat().
 */
bool index_is_current(const struct store *store);
/*
 * Opens the index that is there now, or makes one. Before that, `last` is run as a transaction in the
 * old one, with a bool: nobody has made a new one yet. If no other can be opened the old one stays
 * open, for reading at least.
 */
int index_renew(struct store *store, store_work *last, struct error *err);

#endif
