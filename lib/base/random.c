#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/log.h"

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

uint64_t random_u64(void)
{
	uint64_t value;

	random_bytes(&value, sizeof(value));
	return value;
}

uint32_t random_below(uint32_t limit)
{
	/* 64 random bits make the bias smaller than anyone can measure. */
	return (uint32_t)(random_u64() % limit);
}
