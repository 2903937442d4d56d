/* UIDVALIDITY and UIDs in files of their own. Of lib/store only. */
#ifndef STORE_UIDLIST_H
#define STORE_UIDLIST_H

#include <stdint.h>

#include "base/map.h"

/* -ENOENT: there is none, or it makes no sense; other errors: it cannot be read now. Dovecot's and Courier's lists are asked next. */
int uidvalidity_read(const char *directory, uint32_t *uidvalidity, uint32_t *bound);
int uidvalidity_write(const char *directory, uint32_t uidvalidity, uint32_t bound);

/*
 * UIDs that Dovecot (dovecot-uidlist) or Courier (courierimapuiddb) gave to files, by the part of the name
 * in front of ":2,": a map of names to (void *)(uintptr_t)uid. NULL: no usable list.
 */
struct map *saved_uids_read(const char *directory);
/* POP3 UIDLs in dovecot-uidlist (P field): a map of the same names to text, each to be freed. */
struct map *saved_uidls_read(const char *directory);
void saved_uidls_free(struct map *uidls); /* NULL is allowed */

#endif
