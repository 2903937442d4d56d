/*
 * What is known after a crash: that it came while a file of LMDB was being read or written. LMDB trusts
 * what stands in its file, so a damaged one ends the process that reads it, and each one after it, unless
 * the next process is told.
 *
 *	int fd = mark_open(path), before = mark_begin(fd);		a signal from here on is its fault
 *	...
 *	mark_end(before);
 */
#ifndef BASE_MARK_H
#define BASE_MARK_H

#include <stdbool.h>

struct MDB_env;

/*
 * The file that holds the mark; empty: nothing is known against what it stands beside. A descriptor, or
 * -1: a crash will leave no mark. Catches the signals that a crash comes with.
 */
int mark_open(const char *path);
/* The file at fault from here on; returns the one before, to be given to mark_end. */
int mark_begin(int fd);
void mark_end(int before);
/* As the crash would write it: for damage that was found without one. */
void mark_write(int fd);
/* LMDB found its own file to be impossible, and ends the process. */
void mark_assertion(struct MDB_env *env, const char *text);
bool mark_is_set(const char *path);

#endif
