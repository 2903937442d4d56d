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
 * in front of ":2,": names with (void *)(uintptr_t)uid, added to the map. 0, also where there is no usable list, or a
 * negative errno: it cannot be read now.
 */
int saved_uids_read(const char *directory, struct map *uids);
/* POP3 UIDLs in dovecot-uidlist (P field): the same with text, each to be freed. */
int saved_uidls_read(const char *directory, struct map *uidls);
void saved_uidls_free(struct map *uidls); /* NULL is allowed */

#endif
