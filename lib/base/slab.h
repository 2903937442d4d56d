/*
 * Objects of one size that live long, packed into blocks of their own: what comes and goes meanwhile
 * leaves no holes between them, so that memory can be given back.
 *
 *	static struct slab mails;
 *	slab_init(&mails, sizeof(struct mail));
 *	struct mail *m = slab_new(&mails);
 *	slab_free(&mails, m);
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>

#include "base/list.h"

struct slab {
	size_t size;	  /* of an object with its head */
	struct list open; /* blocks that have a free place */
};
/* For objects of `size` bytes, aligned like pointers. */
void slab_init(struct slab *slab, size_t size);
/* Zeroed memory, never NULL. */
void *slab_new(struct slab *slab) __attribute__((returns_nonnull));
/* NULL is allowed. A block without objects is freed. */
void slab_free(struct slab *slab, void *object);

#endif
