/*
 * A binary heap whose items know their place, so that any of them can be moved or removed. It owns
 * none of them.
 */
#include "base/heap.h"

#include "base/mem.h"

void heap_free(struct heap *heap)
{
	free(heap->nodes);
	*heap = (struct heap){ NULL, 0, 0 };
}

struct heap_node *heap_first(const struct heap *heap)
{
	return heap->count > 0 ? heap->nodes[0] : NULL;
}

static void heap_put(struct heap *heap, size_t place, struct heap_node *node)
{
	heap->nodes[place - 1] = node;
	node->place = place;
}

static void sift(struct heap *heap, struct heap_node *node)
{
	size_t at = node->place;

	while (at > 1 && heap->nodes[at / 2 - 1]->key > node->key) {
		heap_put(heap, at, heap->nodes[at / 2 - 1]);
		at /= 2;
	}
	for (;;) {
		size_t child = at * 2;

		if (child > heap->count)
			break;
		if (child < heap->count && heap->nodes[child]->key < heap->nodes[child - 1]->key)
			child++;
		if (heap->nodes[child - 1]->key >= node->key)
			break;
		heap_put(heap, at, heap->nodes[child - 1]);
		at = child;
	}
	heap_put(heap, at, node);
}

void heap_set(struct heap *heap, struct heap_node *node, int64_t key)
{
	node->key = key;
	if (node->place == 0) {
		if (heap->count == heap->size) {
			heap->size = heap->size ? heap->size * 2 : 16;
			heap->nodes = mem_resize(heap->nodes, heap->size, sizeof(*heap->nodes));
		}
		heap->count++;
		heap_put(heap, heap->count, node);
	}
	sift(heap, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
	size_t place = node->place;
	struct heap_node *last;

	if (place == 0)
		return;
	node->place = 0;
	last = heap->nodes[heap->count - 1];
	heap->count--;
	if (last != node) {
		heap_put(heap, place, last);
		sift(heap, last);
	}
}
