/*
 * One transaction that many changes share, kept open between calls: so that changes of flags, which come one by one, need
 * not wait for the disk one by one. Of lib/store only.
 *
 *	shared_write(store, guard, work, argument)	any number of times
 *	shared_commit(store)				durable
 *
 * Between them this process sees what was done (store_read borrows the transaction), others do not, and those of
 * them that want to write wait: it must not stay open for long. Every other write commits it first (write.c), and so
 * does whoever is going to another index (follow.c).
 *
 * Nothing of it can be undone alone. So `work` writes either nothing (and returns an error) or all, and the index has
 * room for it before it begins.
 */
#ifndef STORE_SHARED_H
#define STORE_SHARED_H

#include "store/write.h"

/* Messages that one call may change. */
#define SHARED_MESSAGES_MAX 100

/* -ENOBUFS: there is no room for it here: to be written by itself. */
int shared_write(struct store *store, bool (*guard)(const struct store *), store_work *work,
		 void *argument);
/* 1: something is durable now; 0: there was nothing; negative: what was done since the last commit is lost, and logged. */
int shared_commit(struct store *store);

#endif
