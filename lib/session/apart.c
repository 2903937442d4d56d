/*
 * Memory of the parent that a child does not have after fork: what it holds of thousands of users is neither
 * there to be read by one of them, nor to be copied for each. In pieces of a few sizes; what is larger is mapped
 * by itself.
 */
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "session/internal.h"

#define APART_SMALLEST ((size_t)256)
#define APART_SIZES    5 /* up to 4096 */
#define APART_CHUNK    ((size_t)256 * 1024)

struct apart_piece {
	struct apart_piece *next;
};

/* By size: free pieces, and what of the last chunk was never used. In a child they lead nowhere. */
static struct {
	struct apart_piece *free;
	char *rest;
	size_t rest_size;
} apart[APART_SIZES];

static void *apart_map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || madvise(memory, size, MADV_DONTFORK) < 0)
		mem_exhausted();
	return memory;
}

/* APART_SIZES: larger than all. */
static size_t apart_class(size_t size)
{
	size_t class_number = 0;

	while (class_number < APART_SIZES && size > APART_SMALLEST << class_number)
		class_number++;
	return class_number;
}

void *apart_new(size_t size)
{
	size_t which = apart_class(size), step = APART_SMALLEST << which;
	struct apart_piece *piece;

	if (which == APART_SIZES)
		return apart_map(size);
	piece = apart[which].free;
	if (piece != NULL) {
		apart[which].free = piece->next;
		memset(piece, 0, step);
		return piece;
	}
	if (apart[which].rest_size == 0) {
		apart[which].rest = apart_map(APART_CHUNK);
		apart[which].rest_size = APART_CHUNK;
	}
	piece = (struct apart_piece *)(void *)apart[which].rest;
	apart[which].rest += step;
	apart[which].rest_size -= step;
	return piece;
}

void apart_free(void *memory, size_t size)
{
	size_t which = apart_class(size);
	struct apart_piece *piece = memory;

	if (memory == NULL)
		return;
	if (which == APART_SIZES) {
		munmap(memory, size);
		return;
	}
	piece->next = apart[which].free;
	apart[which].free = piece;
}
