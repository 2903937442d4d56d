/*
 * A binary min-heap of nodes that live inside their owners; a node knows its place, so it can be
 * removed or moved in log n. For timers and for the queue's next attempts.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t key;
	size_t place; /* 1 .. count; 0: not in a heap */
};

struct heap {
	struct heap_node **nodes;
	size_t count, size;
};

void heap_free(struct heap *heap);
/* The smallest, or NULL. */
struct heap_node *heap_first(const struct heap *heap);
/* Adds the node with this key, or moves it if it is already in the heap. */
void heap_set(struct heap *heap, struct heap_node *node, int64_t key);
/* Does nothing for a node that is in no heap. */
void heap_remove(struct heap *heap, struct heap_node *node);

#endif
