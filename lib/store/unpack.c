/* gzip, in pieces and in bounded memory. Which files of a Maildir are read like that: message.c. */
#include "store/unpack.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/io.h"
#include "base/mem.h"

#define UNPACK_BLOCK 32768
#define GZIP_WINDOW  (15 + 16) /* zlib's largest window, and gzip's header */

bool unpack_is_gzip(int fd)
{
	static const unsigned char magic[3] = { 0x1f, 0x8b, 8 };
	unsigned char begin[sizeof(magic)];

	return io_pread_all(fd, begin, sizeof(begin), 0) == 0 &&
	       memcmp(begin, magic, sizeof(magic)) == 0;
}

struct unpack {
	z_stream z;
	unsigned char *in, *out;
	uint64_t total;
	int (*each)(void *argument, const char *bytes, size_t len);
	void *argument;
};

/* All that the present input gives. *ended: a gzip file has ended in it; another may follow. */
static int unpack_block(struct unpack *u, bool *ended)
{
	do {
		size_t len;
		int r, status;

		u->z.next_out = u->out;
		u->z.avail_out = UNPACK_BLOCK;
		status = inflate(&u->z, Z_NO_FLUSH);
		if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
			return status == Z_MEM_ERROR ? -ENOMEM : -EIO;
		*ended = status == Z_STREAM_END;
		len = UNPACK_BLOCK - u->z.avail_out;
		u->total += len;
		if (u->total > UNPACKED_MAX)
			return -EFBIG;
		r = len > 0 ? u->each(u->argument, (char *)u->out, len) : 0;
		if (r < 0)
			return r;
		if (*ended && inflateReset(&u->z) != Z_OK)
			return -EIO;
	} while (u->z.avail_in > 0 || u->z.avail_out == 0);
	return 0;
}

static int unpack_file(struct unpack *u, int fd)
{
	bool ended = false;
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(fd, u->in, UNPACK_BLOCK, at);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return ended ? 0 : -EIO;
		at += n;
		u->z.next_in = u->in;
		u->z.avail_in = (unsigned)n;
		r = unpack_block(u, &ended);
		if (r < 0)
			return r;
	}
}

int unpack_gzip(int fd, int (*each)(void *argument, const char *bytes, size_t len), void *argument)
{
	struct unpack u = { .each = each, .argument = argument };
	int r;

	if (inflateInit2(&u.z, GZIP_WINDOW) != Z_OK)
		return -ENOMEM;
	u.in = mem_new_bytes(UNPACK_BLOCK);
	u.out = mem_new_bytes(UNPACK_BLOCK);
	r = unpack_file(&u, fd);
	inflateEnd(&u.z);
	free(u.in);
	free(u.out);
	return r;
}
