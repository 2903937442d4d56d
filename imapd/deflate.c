/*
 * COMPRESS=DEFLATE (RFC 4978): a layer on the connection's stream, raw deflate both ways. Everything that is sent at
 * once is flushed, so that the client has it.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"
#include "hibernate.h"
#include "task/stream_layer.h"

/*
 * What we send has a small window and little memory, as there may be many connections: 50 KiB instead of
 * 270. What comes may have any.
 */
#define DEFLATE_WINDOW	 (-13)
#define DEFLATE_MEMORY	 5
#define INFLATE_WINDOW	 (-15)
#define COMPRESSED_BLOCK 16384

struct compression {
	z_stream in, out;
	char *received; /* compressed; NULL while there is nothing */
	size_t received_at, received_len;
	struct str sending; /* compressed, on its way */
	size_t sent;
	size_t taken;	  /* bytes of the caller that `sending` is of */
	bool more, ended; /* inflate() has more than there was room for */
};

/* 1: there is some; 0: the end; or as a stream layer's read. */
static ssize_t compression_receive(struct stream *io, struct compression *c,
				   enum direction *direction)
{
	ssize_t n;

	*direction = FOR_READING;
	if (c->received == NULL)
		c->received = mem_block_take();
	do
		n = read(io->fd, c->received, MEM_BLOCK_SIZE);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		mem_block_give(TAKE(c->received));
		return n < 0 ? -errno : 0;
	}
	c->received_at = 0;
	c->received_len = (size_t)n;
	return 1;
}

static ssize_t compression_inflate(struct stream *io, struct compression *c, char *data, size_t len)
{
	int status;

	if (c->received == NULL)
		c->received_at = c->received_len = 0;
	c->in.next_in = c->received != NULL ? (unsigned char *)c->received + c->received_at : NULL;
	c->in.avail_in = (unsigned)c->received_len;
	c->in.next_out = (unsigned char *)data;
	c->in.avail_out = (unsigned)len;
	status = inflate(&c->in, Z_SYNC_FLUSH);
	if (status == Z_MEM_ERROR)
		mem_exhausted();
	c->ended = status == Z_STREAM_END;
	c->more = c->in.avail_out == 0;
	if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
		stream_set_error(io, "invalid compressed data");
		return -EPROTO;
	}
	c->received_at += c->received_len - c->in.avail_in;
	c->received_len = c->in.avail_in;
	if (c->received_len == 0)
		mem_block_give(TAKE(c->received));
	return (ssize_t)(len - c->in.avail_out);
}

static ssize_t compression_read(struct stream *io, char *data, size_t len,
				enum direction *direction)
{
	struct compression *c = io->layer_state;

	len = MIN(len, (size_t)STREAM_BUFFER_SIZE);
	for (;;) {
		ssize_t n;

		if (c->ended)
			return 0;
		if (c->received == NULL && !c->more) {
			n = compression_receive(io, c, direction);
			if (n <= 0)
				return n;
		}
		n = compression_inflate(io, c, data, len);
		if (n != 0)
			return n;
	}
}

static int compression_send(struct stream *io, struct compression *c)
{
	while (c->sent < c->sending.len) {
		ssize_t n = send(io->fd, c->sending.data + c->sent, c->sending.len - c->sent,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		c->sent += (size_t)n;
	}
	str_clear(&c->sending);
	c->sent = 0;
	return 0;
}

static void compression_deflate(struct compression *c, const char *data, size_t len)
{
	c->out.next_in = (unsigned char *)(uintptr_t)data;
	c->out.avail_in = (unsigned)len;
	do {
		c->out.next_out = (unsigned char *)str_reserve(&c->sending, COMPRESSED_BLOCK);
		c->out.avail_out = COMPRESSED_BLOCK;
		if (deflate(&c->out, Z_SYNC_FLUSH) == Z_STREAM_ERROR)
			mem_exhausted(); /* nothing else can be wrong */
		str_grow(&c->sending, COMPRESSED_BLOCK - c->out.avail_out);
	} while (c->out.avail_out == 0);
	c->taken = len;
}

/* After -EAGAIN the caller comes with the same bytes, which are compressed already. */
static ssize_t compression_write(struct stream *io, const char *data, size_t len,
				 enum direction *direction)
{
	struct compression *c = io->layer_state;
	int r;

	*direction = FOR_WRITING;
	if (c->sending.len == 0)
		compression_deflate(c, data, MIN(len, (size_t)STREAM_BUFFER_SIZE));
	r = compression_send(io, c);
	return r < 0 ? r : (ssize_t)c->taken;
}

static void compression_say_goodbye(struct stream *io)
{
	(void)io; /* the end of the connection says it */
}

static void compression_free(void *state)
{
	struct compression *c = state;

	inflateEnd(&c->in);
	deflateEnd(&c->out);
	mem_block_give(c->received);
	str_free(&c->sending);
	free(c);
}

static const struct stream_layer compression_layer = {
	.read = compression_read,
	.write = compression_write,
	.say_goodbye = compression_say_goodbye,
	.free = compression_free,
};

static struct compression *compression_new(void)
{
	struct compression *c = mem_new(struct compression);

	if (inflateInit2(&c->in, INFLATE_WINDOW) != Z_OK ||
	    deflateInit2(&c->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, DEFLATE_WINDOW, DEFLATE_MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		mem_exhausted();
	return c;
}

/* What the client has sent with the command is compressed already. */
static void compression_begin(struct stream *io)
{
	struct compression *c = compression_new();
	struct view early = stream_buffered(io);

	if (early.len > 0) {
		c->received = mem_block_take();
		c->received_len = MIN(early.len, MEM_BLOCK_SIZE);
		memcpy(c->received, early.data, c->received_len);
		stream_discard_input(io);
	}
	io->layer = &compression_layer;
	io->layer_state = c;
}

int imap_command_compress(struct imap_session *s)
{
	struct view name;
	int r = imap_space(s->parser);

	if (r == 0)
		r = imap_atom(s->parser, &name);
	if (r == 0 && !view_is_nocase(name, "DEFLATE"))
		r = imap_syntax_error(s->parser, "Unknown mechanism");
	if (r == 0)
		r = imap_end(s->parser);
	if (r < 0)
		return r;
	if (s->io->layer != NULL)
		return imap_no(s, "[COMPRESSIONACTIVE] DEFLATE is active.");
	r = imap_ok(s, "DEFLATE active.");
	if (r == IMAP_DONE)
		r = stream_flush(s->io);
	if (r == IMAP_DONE)
		compression_begin(s->io);
	return r;
}

/* ---- sleep ---- */

bool imap_compress_is_on(const struct stream *io)
{
	return io->layer == &compression_layer;
}

/*
 * Between two blocks that end with a byte, as they do where a client flushes, there is nothing to be kept but what
 * the next may refer to. What we have sent always ends so, and a new stream of ours refers to nothing before it.
 */
bool imap_compress_can_sleep(const struct stream *io)
{
	const struct compression *c = io->layer_state;

	if (io->layer == NULL)
		return true;
	return io->layer == &compression_layer && c->received == NULL && !c->more && !c->ended &&
	       c->sending.len == 0 && (c->in.total_in == 0 || c->in.data_type == 128);
}

int imap_compress_save(struct stream *io, struct str *out)
{
	struct compression *c = io->layer_state;
	unsigned len = 0;

	if (inflateGetDictionary(&c->in, (unsigned char *)str_reserve(out, 32768), &len) != Z_OK)
		return -EIO;
	str_grow(out, len);
	return 0;
}

int imap_compress_resume(struct stream *io, struct view saved)
{
	struct compression *c = compression_new();

	io->layer = &compression_layer;
	io->layer_state = c;
	if (saved.len > 0 && inflateSetDictionary(&c->in, (const unsigned char *)saved.data,
						  (unsigned)saved.len) != Z_OK)
		return -EBADMSG;
	return 0;
}
