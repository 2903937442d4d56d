/* Compressed files, in pieces and in bounded memory. Which files of a Maildir are read like that: message.c. */
#include "store/unpack.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/io.h"
#include "base/mem.h"

#define UNPACK_BLOCK	  32768
#define GZIP_WINDOW	  (15 + 16) /* zlib's largest window, and gzip's header */
#define UNPACK_WINDOW_LOG 25	    /* 32 MiB: zstd's own levels up to 19 use a quarter of that */

struct unpack {
	const struct packing *packing;
	z_stream z;
	ZSTD_DStream *zstd;
	unsigned char *in, *out;
	const unsigned char *next; /* of the input */
	size_t left;
	uint64_t total;
	int (*each)(void *argument, const char *bytes, size_t len);
	void *argument;
};

/* A format: how its files begin, and how it is undone. */
struct packing {
	const char *magic;
	size_t magic_len;
	int (*begin)(struct unpack *u);
	/*
	 * From `next` to `out`: *len bytes. *ended: a whole has ended with them, and another may follow. 0 or a negative
	 * errno.
	 */
	int (*step)(struct unpack *u, size_t *len, bool *ended);
	void (*end)(struct unpack *u);
};

/* ---- gzip (RFC 1952) ---- */

static int gzip_begin(struct unpack *u)
{
	return inflateInit2(&u->z, GZIP_WINDOW) == Z_OK ? 0 : -ENOMEM;
}

static int gzip_step(struct unpack *u, size_t *len, bool *ended)
{
	int status;

	u->z.next_in = (unsigned char *)(uintptr_t)u->next;
	u->z.avail_in = (unsigned)u->left;
	u->z.next_out = u->out;
	u->z.avail_out = UNPACK_BLOCK;
	status = inflate(&u->z, Z_NO_FLUSH);
	if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
		return status == Z_MEM_ERROR ? -ENOMEM : -EIO;
	u->next = u->z.next_in;
	u->left = u->z.avail_in;
	*len = UNPACK_BLOCK - u->z.avail_out;
	*ended = status == Z_STREAM_END;
	return *ended && inflateReset(&u->z) != Z_OK ? -EIO : 0;
}

static void gzip_end(struct unpack *u)
{
	inflateEnd(&u->z);
}

/* ---- Zstandard (RFC 8878) ---- */

static int zstd_begin(struct unpack *u)
{
	u->zstd = ZSTD_createDStream();
	if (u->zstd == NULL)
		return -ENOMEM;
	return ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, UNPACK_WINDOW_LOG))
		       ? -EIO
		       : 0;
}

static int zstd_step(struct unpack *u, size_t *len, bool *ended)
{
	ZSTD_inBuffer in = { u->next, u->left, 0 };
	ZSTD_outBuffer out = { u->out, UNPACK_BLOCK, 0 };
	size_t status = ZSTD_decompressStream(u->zstd, &out, &in);

	if (ZSTD_isError(status))
		return -EIO;
	u->next += in.pos;
	u->left -= in.pos;
	*len = out.pos;
	*ended = status == 0;
	return 0;
}

static void zstd_end(struct unpack *u)
{
	ZSTD_freeDStream(u->zstd);
}

/* ---- any ---- */

static const struct packing packings[] = {
	{ "\x1f\x8b\x08", 3, gzip_begin, gzip_step, gzip_end },
	{ "\x28\xb5\x2f\xfd", 4, zstd_begin, zstd_step, zstd_end },
};

static const struct packing *packing_of(struct view bytes)
{
	for (size_t i = 0; i < ARRAY_SIZE(packings); i++)
		if (view_starts(bytes, view_make(packings[i].magic, packings[i].magic_len)))
			return &packings[i];
	return NULL;
}

static const struct packing *unpack_find(int fd)
{
	char begin[4];

	/* No packed message is as short as its first bytes. */
	return io_pread_all(fd, begin, sizeof(begin), 0) == 0
		       ? packing_of(view_make(begin, sizeof(begin)))
		       : NULL;
}

bool unpack_is_packed(int fd)
{
	return unpack_find(fd) != NULL;
}

/* All that the present input gives. */
static int unpack_block(struct unpack *u, bool *ended)
{
	size_t len;

	do {
		int r = u->packing->step(u, &len, ended);

		if (r < 0)
			return r;
		u->total += len;
		if (u->total > UNPACKED_MAX)
			return -EFBIG;
		r = len > 0 ? u->each(u->argument, (char *)u->out, len) : 0;
		if (r < 0)
			return r;
	} while (u->left > 0 || (len == UNPACK_BLOCK && !*ended));
	return 0;
}

/* The next bytes of the input: how many, 0 at its end, or a negative errno. */
static ssize_t input_read(struct unpack *u, const struct io_source *input, uint64_t at)
{
	ssize_t n;

	if (input->bytes != NULL) {
		u->next = (const unsigned char *)input->bytes + at;
		return (ssize_t)MIN(input->size - at, (uint64_t)UNPACK_BLOCK);
	}
	u->next = u->in;
	do
		n = pread(input->file, u->in, UNPACK_BLOCK, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int unpack_blocks(struct unpack *u, const struct io_source *input)
{
	bool ended = false;
	uint64_t at = 0;

	for (;;) {
		ssize_t n = input_read(u, input, at);
		int r;

		if (n < 0)
			return (int)n;
		if (n == 0)
			return ended ? 0 : -EIO;
		at += (uint64_t)n;
		u->left = (size_t)n;
		r = unpack_block(u, &ended);
		if (r < 0)
			return r;
	}
}

static int unpack_input(const struct packing *packing, const struct io_source *input,
			int (*each)(void *argument, const char *bytes, size_t len), void *argument)
{
	struct unpack u = { .packing = packing, .each = each, .argument = argument };
	int r;

	if (packing == NULL)
		return -EIO;
	r = packing->begin(&u);
	u.in = mem_new_bytes(UNPACK_BLOCK);
	u.out = mem_new_bytes(UNPACK_BLOCK);
	if (r == 0)
		r = unpack_blocks(&u, input);
	packing->end(&u);
	free(u.in);
	free(u.out);
	return r;
}

int unpack_file(int fd, int (*each)(void *argument, const char *bytes, size_t len), void *argument)
{
	return unpack_input(unpack_find(fd), &(const struct io_source){ .file = fd }, each,
			    argument);
}

bool unpack_is_packed_bytes(struct view bytes)
{
	return packing_of(bytes) != NULL;
}

int unpack_bytes(struct view bytes, int (*each)(void *argument, const char *bytes, size_t len),
		 void *argument)
{
	return unpack_input(
		packing_of(bytes),
		&(const struct io_source){ .file = -1, .size = bytes.len, .bytes = bytes.data },
		each, argument);
}
