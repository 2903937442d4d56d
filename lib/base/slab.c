/*
 * Many objects of one size from few blocks. They are given back to the slab, and never to the
 * system one by one.
 */
#include "base/slab.h"

#include <string.h>

#include "base/mem.h"

#ifndef POSTA_SANITIZE
#define BLOCK_SIZE ((size_t)32 * 1024)
#else
#define BLOCK_SIZE ((size_t)0) /* one object each: who uses it too late is found */
#endif

struct block {
	struct list link;   /* in slab.open, while it has a free place */
	struct place *free; /* places that were used and given back */
	size_t used;	    /* objects in it */
	size_t touched;	    /* places that were ever used */
	size_t count;	    /* places */
	char places[];
};

struct place {
	struct block *block;
	struct place *next; /* in block.free; else the object begins here */
};
#define HEAD offsetof(struct place, next)

void slab_init(struct slab *slab, size_t size)
{
	size = MAX(HEAD + size, sizeof(struct place));
	slab->size = (size + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
	list_init(&slab->open);
}

static struct block *add_block(struct slab *slab)
{
	size_t count = MAX(BLOCK_SIZE / slab->size, 1);
	struct block *block = mem_resize(NULL, sizeof(*block) + count * slab->size, 1);

	memset(block, 0, sizeof(*block));
	block->count = count;
	list_push_front(&slab->open, &block->link);
	return block;
}

void *slab_new(struct slab *slab)
{
	struct block *block = LIST_FIRST(&slab->open, struct block, link);
	struct place *place;

	if (block == NULL)
		block = add_block(slab);
	place = block->free;
	if (place != NULL)
		block->free = place->next;
	else
		place = (void *)(block->places + block->touched++ * slab->size);
	if (++block->used == block->count)
		list_remove(&block->link);
	place->block = block;
	return memset((char *)place + HEAD, 0, slab->size - HEAD);
}

void slab_free(struct slab *slab, void *object)
{
	if (object == NULL)
		return;

	struct place *place = (void *)((char *)object - HEAD);
	struct block *block = place->block;

	/* At the front: the others have time to become empty. */
	if (block->used-- == block->count)
		list_push_front(&slab->open, &block->link);
	place->next = block->free;
	block->free = place;
	if (block->used == 0) {
		list_remove(&block->link);
		free(block);
	}
}
