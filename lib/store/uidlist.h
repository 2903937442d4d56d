/* UIDVALIDITY and UIDs in files of their own. Of lib/store only. */
#ifndef STORE_UIDLIST_H
#define STORE_UIDLIST_H

#include <stdint.h>

#include "base/map.h"

/* -ENOENT: there is none, or it makes no sense. Dovecot's dovecot-uidlist is asked next. */
int uidvalidity_read(const char *directory, uint32_t *uidvalidity, uint32_t *bound);
int uidvalidity_write(const char *directory, uint32_t uidvalidity, uint32_t bound);

/*
 * UIDs that Dovecot gave to files, by the part of the name in front of ":2,": a map of names to
 * (void *)(uintptr_t)uid. NULL: no usable dovecot-uidlist.
 */
struct map *dovecot_uids_read(const char *directory);

#endif
