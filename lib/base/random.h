/* Random bytes from the kernel, good for secrets. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills `data`; ends the program if the kernel has none to give. */
void random_bytes(void *data, size_t len);
uint64_t random_u64(void);
/* Even over 0 .. limit-1 (limit > 0). */
uint32_t random_below(uint32_t limit);

#endif
