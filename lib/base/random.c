/* Random bytes from the kernel. There is no fallback: without them the program ends. */
#include "base/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/mem.h"

void random_bytes(void *data, size_t len)
{
	unsigned char *at = data;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			log_fatal("the kernel gives no random bytes");
		at += got;
		len -= (size_t)got;
	}
}

/*
 * For names and spreading: from a store, filled with one call for many. A child process must not
 * give out what its parent gives out too, so it begins with an empty one.
 */
static struct {
	uint64_t values[64];
	size_t left;
	bool follows_forks;
	pthread_mutex_t mutex;
} store = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void empty_store(void)
{
	store.left = 0;
	pthread_mutex_init(&store.mutex, NULL);
}

uint64_t random_u64(void)
{
	uint64_t value;

	pthread_mutex_lock(&store.mutex);
	if (!store.follows_forks)
		store.follows_forks = pthread_atfork(NULL, NULL, empty_store) == 0;
	if (store.left == 0) {
		random_bytes(store.values, sizeof(store.values));
		store.left = store.follows_forks ? ARRAY_SIZE(store.values) : 1;
	}
	value = store.values[--store.left];
	store.values[store.left] = 0;
	pthread_mutex_unlock(&store.mutex);
	return value;
}

uint32_t random_below(uint32_t limit)
{
	/* 64 random bits make the bias smaller than anyone can measure. */
	return (uint32_t)(random_u64() % limit);
}
