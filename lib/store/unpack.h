/* Messages that another server has kept compressed (Dovecot's zlib plugin: gzip). */
#ifndef STORE_UNPACK_H
#define STORE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNPACKED_MAX ((uint64_t)1 << 30) /* bytes of a message */

/* No message begins as gzip does. */
bool unpack_is_gzip(int fd);
/*
 * Calls `each` with the content, piece by piece. 0, what `each` returned if that was negative, -EIO: it
 * is broken, -EFBIG: it is larger than UNPACKED_MAX.
 */
int unpack_gzip(int fd, int (*each)(void *argument, const char *bytes, size_t len), void *argument);

#endif
