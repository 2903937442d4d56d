/* Memory that is there, or the program ends. Secrets are wiped here too. */
#include "base/mem.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

void mem_exhausted(void)
{
	static const char text[] = "fatal: out of memory\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	/* Not abort(): where a process may not signal itself that ends in SIGSEGV, as damage does. */
	raise(SIGABRT);
	_exit(EX_OSERR);
}

void *mem_new_bytes(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (p == NULL)
		mem_exhausted();
	return p;
}

void *mem_new_items(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);

	if (p == NULL)
		mem_exhausted();
	return p;
}

void *mem_resize(void *old, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		mem_exhausted();
	void *p = realloc(old, bytes ? bytes : 1);

	if (p == NULL)
		mem_exhausted();
	return p;
}

#ifndef POSTA_SANITIZE /* a kept block would hide who uses it too late */
#define BLOCKS_KEPT 16
#else
#define BLOCKS_KEPT 0
#endif

static struct {
	char *kept[BLOCKS_KEPT + 1];
	size_t count;
} blocks;

char *mem_block_take(void)
{
	return blocks.count > 0 ? blocks.kept[--blocks.count] : mem_resize(NULL, MEM_BLOCK_SIZE, 1);
}

void mem_block_give(char *block)
{
	if (block != NULL && blocks.count < BLOCKS_KEPT)
		blocks.kept[blocks.count++] = block;
	else
		free(block);
}

void mem_trim(void)
{
	while (blocks.count > 0)
		free(blocks.kept[--blocks.count]);
	malloc_trim(0);
}

char *mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

char *mem_strndup(const void *data, size_t len)
{
	char *copy = malloc(len + 1);

	if (copy == NULL)
		mem_exhausted();
	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	return copy;
}

void mem_wipe(void *data, size_t len)
{
	if (len > 0) /* of nothing there may be no address */
		explicit_bzero(data, len);
}

void mem_freep(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

void mem_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
