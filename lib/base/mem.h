/*
 * Memory that cannot fail, and the clean-up of locals.
 *
 * Out of memory ends the program with a message: the master starts it again and the queue loses
 * nothing, which is safer than error paths that nobody walks. Every size from outside has been
 * checked against a named limit before it gets here.
 *
 *	_cleanup_free_ char *name = mem_strdup(text);
 *	_cleanup_(stream_freep) struct stream *io = stream_new(fd);
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdlib.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(mem_freep)
#define _cleanup_fd_   _cleanup_(mem_closep)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

/* The structure that embeds `member` at `pointer`. */
#define container_of(pointer, type, member)                                                        \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Zeroed memory of `size` bytes, never NULL. Released with free(). */
void *mem_new_bytes(size_t size) __attribute__((malloc, returns_nonnull));
#define mem_new(type) ((type *)mem_new_bytes(sizeof(type)))
/* A zeroed array; a product that overflows ends the program. */
void *mem_new_items(size_t count, size_t size) __attribute__((returns_nonnull));
#define mem_new_array(type, n) ((type *)mem_new_items((n), sizeof(type)))

/* `old` resized to count * size bytes; what is new is not zeroed. */
void *mem_resize(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
/*
 * Room for one more item in an array that has `count`. It doubles whenever that is a power of two,
 * so that nobody needs to remember how much room there is. What is new is not zeroed.
 */
#define array_grow(items, count)                                                                   \
	do {                                                                                       \
		if (((count) & ((count)-1)) == 0)                                                  \
			(items) = mem_resize((items), (count) ? (size_t)(count)*2 : 1,             \
					     sizeof(*(items)));                                    \
	} while (0)
/*
 * Buffers that are taken and given back with each wait of a connection: some are kept, so that this
 * costs next to nothing. Not zeroed. For one thread only, that of the tasks.
 */
#define MEM_BLOCK_SIZE ((size_t)16384)
char *mem_block_take(void) __attribute__((returns_nonnull));
/* NULL is allowed. */
void mem_block_give(char *block);
/* Gives all that is free back to the kernel. Takes its time: for a program that has nothing to do. */
void mem_trim(void);
char *mem_strdup(const char *text) __attribute__((returns_nonnull));
/* A NUL-terminated copy of `len` bytes. */
char *mem_strndup(const void *data, size_t len) __attribute__((returns_nonnull));

/* Ends the program: "out of memory". Also for libraries that report it by NULL. */
void mem_exhausted(void) __attribute__((noreturn));

/* Overwrites secrets so that the compiler cannot leave it out. */
void mem_wipe(void *data, size_t len);

void mem_freep(void *pointer_to_pointer);
/* Closes *fd unless it is negative, which it is then. */
void mem_closep(int *fd);

/* Takes the value out of an owner, leaving nothing to release: return TAKE(p). */
#define TAKE(p)                                                                                    \
	({                                                                                         \
		typeof(p) *take_at_ = &(p);                                                        \
		typeof(p) taken_ = *take_at_;                                                      \
		*take_at_ = NULL;                                                                  \
		taken_;                                                                            \
	})
/* The same for descriptors. */
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *take_at_ = &(fd);                                                             \
		int taken_ = *take_at_;                                                            \
		*take_at_ = -1;                                                                    \
		taken_;                                                                            \
	})

#endif
