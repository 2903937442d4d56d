/* Reading compressed messages, our own (pack.h) and another server's (Dovecot's zlib plugin): gzip and Zstandard. */
#ifndef STORE_UNPACK_H
#define STORE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define UNPACKED_MAX ((uint64_t)1 << 30) /* bytes of a message */

/* No message begins as they do. */
bool unpack_is_packed(int fd);
/*
 * Calls `each` with the content of such a file, piece by piece. 0, what `each` returned if that was negative, -EIO: it
 * is broken, or wants more memory than UNPACK_WINDOW_LOG allows; -EFBIG: it is larger than UNPACKED_MAX.
 */
int unpack_file(int fd, int (*each)(void *argument, const char *bytes, size_t len), void *argument);
/* The same of what is in memory already. */
bool unpack_is_packed_bytes(struct view bytes);
int unpack_bytes(struct view bytes, int (*each)(void *argument, const char *bytes, size_t len),
		 void *argument);

#endif
