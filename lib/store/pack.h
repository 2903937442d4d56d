/*
 * Writing a message's file, packed with Zstandard where that is wanted (mailbox_compress). What fits a block of the disk is
 * never packed. Of lib/store only; reading: unpack.h.
 *
 *	packer = packer_new(fd, wanted);
 *	packer_write(packer, bytes);			as often as there are bytes
 *	packer_end(packer, &disk_size);			0: as they were given
 */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include "base/str.h"

struct packer;

/* The descriptor stays the caller's. */
struct packer *packer_new(int fd, bool wanted);
/* 0 or a negative errno. */
int packer_write(struct packer *packer, struct view bytes);
/* Writes what it still has. *packed: bytes of the file, 0 if it is not packed. */
int packer_end(struct packer *packer, uint64_t *packed);
/* NULL is allowed. */
void packer_free(struct packer *packer);
void packer_freep(struct packer **packer);

#endif
