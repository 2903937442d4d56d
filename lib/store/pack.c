/* Packing, in pieces and in bounded memory. Which messages are packed: deliver.c, append.c. */
#include "store/pack.h"

#include <errno.h>
#include <zstd.h>

#include "base/io.h"
#include "base/mem.h"

#define PACK_FROM  4096 /* bytes: a block of most file systems, which a shorter file takes anyhow */
#define PACK_BLOCK 65536
#define PACK_LEVEL 3

struct packer {
	int fd;
	bool wanted;
	struct str held; /* until it is known to be long enough */
	ZSTD_CCtx *zstd; /* NULL: not packing (yet) */
	char *out;	 /* PACK_BLOCK */
	uint64_t size;	 /* bytes in the file */
};

struct packer *packer_new(int fd, bool wanted)
{
	struct packer *packer = mem_new(struct packer);

	packer->fd = fd;
	packer->wanted = wanted;
	return packer;
}

static int packer_begin(struct packer *packer)
{
	packer->zstd = ZSTD_createCCtx();
	if (packer->zstd == NULL)
		return -ENOMEM;
	packer->out = mem_new_bytes(PACK_BLOCK);
	/* A sum at the end: a file that was damaged is seen to be. */
	return ZSTD_isError(
		       ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_compressionLevel, PACK_LEVEL)) ||
			       ZSTD_isError(
				       ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_checksumFlag, 1))
		       ? -EIO
		       : 0;
}

static int packer_pack(struct packer *packer, struct view bytes, bool last)
{
	ZSTD_inBuffer in = { bytes.data, bytes.len, 0 };
	size_t left;

	do {
		ZSTD_outBuffer out = { packer->out, PACK_BLOCK, 0 };
		int r;

		left = ZSTD_compressStream2(packer->zstd, &out, &in,
					    last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return -EIO;
		r = io_write_all(packer->fd, packer->out, out.pos);
		if (r < 0)
			return r;
		packer->size += out.pos;
	} while (last ? left > 0 : in.pos < in.size);
	return 0;
}

int packer_write(struct packer *packer, struct view bytes)
{
	int r;

	if (!packer->wanted)
		return io_write_all(packer->fd, bytes.data, bytes.len);
	if (packer->zstd != NULL)
		return packer_pack(packer, bytes, false);
	str_append(&packer->held, bytes);
	if (packer->held.len <= PACK_FROM)
		return 0;
	r = packer_begin(packer);
	if (r == 0)
		r = packer_pack(packer, str_view(&packer->held), false);
	str_free(&packer->held);
	packer->held = STR_EMPTY;
	return r;
}

int packer_end(struct packer *packer, uint64_t *packed)
{
	int r = packer->zstd != NULL
			? packer_pack(packer, VIEW_NONE, true)
			: io_write_all(packer->fd, packer->held.data, packer->held.len);

	*packed = packer->zstd != NULL ? packer->size : 0;
	return r;
}

void packer_free(struct packer *packer)
{
	if (packer == NULL)
		return;
	ZSTD_freeCCtx(packer->zstd);
	str_free(&packer->held);
	free(packer->out);
	free(packer);
}

void packer_freep(struct packer **packer)
{
	packer_free(*packer);
}
