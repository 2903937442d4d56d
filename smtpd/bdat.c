/*
 * BDAT, RFC 3030: the content comes in chunks of a length that the client names, without dots. The
 * chunk of a command that is refused is read all the same: what follows it are commands again.
 */
#include <errno.h>

#include "conf/conf.h"
#include "server.h"
#include "session.h"

/* Longer than any message: a chunk that is refused is not waited for beyond this. */
#define SKIP_MAX (UINT64_C(64) << 20)

struct chunk {
	uint64_t size;
	bool last;
};

static bool chunk_parse(struct view argument, struct chunk *chunk)
{
	struct view size = VIEW_NONE, last = VIEW_NONE;

	view_next_word(&argument, " \t", &size);
	*chunk = (struct chunk){ 0 };
	if (view_next_word(&argument, " \t", &last)) {
		if (!view_is_nocase(last, "LAST"))
			return false;
		chunk->last = true;
	}
	return argument.len == 0 && size.len > 0 &&
	       view_parse_u64(size, INT64_MAX, &chunk->size) == 0;
}

static int chunk_piece(void *session, struct view bytes)
{
	message_add(session, bytes);
	return 0;
}

/* Reads the chunk; `keep`: it is the message's. 0, or what ended the connection. */
static int chunk_receive(struct session *s, const struct chunk *chunk, bool keep)
{
	struct lineends *ends = &s->transaction.reception.ends;
	uint64_t left = chunk->size;
	struct content_wait wait;
	int r = 0;

	if (keep ? message_is_endless(s, left) : left > SKIP_MAX)
		return -EFBIG;
	content_wait_begin(s, &wait);
	while (r == 0 && left > 0) {
		struct view bytes;

		r = content_wait_peek(s, &wait, &bytes);
		if (r < 0)
			break;
		bytes = view_first(bytes, (size_t)MIN(left, (uint64_t)bytes.len));
		if (keep)
			lineends_feed(ends, bytes, chunk_piece, s);
		stream_consume(s->io, bytes.len);
		left -= bytes.len;
	}
	if (r == 0 && keep && chunk->last)
		lineends_finish(ends, chunk_piece, s);
	content_wait_end(s);
	return r;
}

/* May a chunk come now? Else it has been answered. */
static bool chunk_expected(struct session *s, int *result)
{
	if (s->discarded & EHLO_CHUNKING)
		*result = reply(s, "502 5.5.1 Error: command not implemented");
	else if (!(s->state & (STATE_MAIL | STATE_RCPT | STATE_CHUNKS)))
		*result = reply(s, "503 5.5.1 Error: need RCPT command");
	else if (s->state == STATE_MAIL)
		*result = reply(s, "554 5.5.1 Error: no valid recipients");
	else if (s->state == STATE_CHUNKS)
		return true;
	else if (message_begin(s, result)) {
		s->state = STATE_CHUNKS;
		s->transaction.reception.ends = LINEENDS_START;
		s->transaction.reception.ends.keep_bare_cr = !param.cleanup_replace_stray_cr_lf;
		return true;
	}
	return false;
}

int verb_bdat(struct session *s, struct view argument)
{
	const struct reception *reception = &s->transaction.reception;
	struct chunk chunk;
	bool keep;
	int r = SESSION_GOES_ON, received;

	/* Where the chunk ends nobody knows. */
	if (!chunk_parse(argument, &chunk))
		return reply(s, "521 5.5.4 Syntax: BDAT count [LAST]");
	keep = chunk_expected(s, &r);
	received = chunk_receive(s, &chunk, keep);
	if (received < 0) {
		transaction_reset(s);
		return message_lost(s, "BDAT", received);
	}
	if (!keep) {
		/* RFC 3030 2: what refuses one chunk refuses the message. */
		transaction_reset(s);
		return r;
	}
	if (!chunk.last && reception->failed == 0 && !reception->too_big)
		return reply(s, "250 2.0.0 Ok: %llu bytes", (unsigned long long)chunk.size);
	r = message_end(s, reception->ends.has_bare_lf);
	transaction_reset(s);
	return r;
}
