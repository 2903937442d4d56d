/*
 * What is known after a crash: that it came while the index was being read or written. LMDB trusts what
 * stands in its file, so a damaged one ends the process that reads it, at each login again, unless the
 * next process is told. Of lib/store only.
 *
 *	int fd = mark_open(directory), before = mark_begin(fd);		a signal from here on is its fault
 *	...
 *	mark_end(before);
 */
#ifndef STORE_MARK_H
#define STORE_MARK_H

#include <lmdb.h>
#include <stdbool.h>

#define MARK_FILE "crashed" /* in the index' directory; empty: nothing is known against it */

/* A descriptor, or -1: a crash will leave no mark. Catches the signals that a crash comes with. */
int mark_open(const char *directory);
/* The index at fault from here on; returns the one before, to be given to mark_end. */
int mark_begin(int fd);
void mark_end(int before);
/* As the crash would write it: for damage that was found without one. */
void mark_write(int fd);
/* LMDB found its own file to be impossible, and ends the process. */
void mark_assertion(MDB_env *env, const char *text);
bool mark_is_set(const char *directory);

#endif
