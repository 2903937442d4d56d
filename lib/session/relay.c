/*
 * Carries the bytes of an encrypted connection between the program with the TLS session and the
 * user's process. It looks into none of them.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "session/internal.h"

struct relay {
	struct stream *io, *inner;
	bool ended; /* the session's direction */
	struct waitlist done;
};

/* 0 at the end of the input, or why it went no further. */
static int pass_on(struct stream *from, struct stream *to)
{
	struct view bytes;
	int r;

	while ((r = stream_peek(from, &bytes)) >= 0) {
		size_t len = bytes.len;

		r = stream_write(to, bytes);
		if (r >= 0)
			r = stream_flush(to);
		if (r < 0)
			return r;
		stream_consume(from, len);
	}
	return r == -ENODATA ? 0 : r;
}

static void relay_end_answers(struct relay *relay)
{
	/* Ends the wait for the client's next command. */
	shutdown(stream_fd(relay->io), SHUT_RD);
	relay->ended = true;
	wake_all(&relay->done);
}

static void pass_answers(void *argument);

/* Nothing is there to be passed on: until there is, no task waits for it. */
static void await_answers(struct relay *relay)
{
	if (task_spawn_when_readable("relay", stream_fd(relay->inner), pass_answers, relay) < 0)
		relay_end_answers(relay);
}

/* From the session to the client, as much as is there. Its end is the end of the conversation. */
static void pass_answers(void *argument)
{
	struct relay *relay = argument;
	struct view bytes;
	int r = stream_peek(relay->inner, &bytes);

	if (r >= 0)
		r = stream_write(relay->io, bytes);
	if (r >= 0)
		r = stream_flush(relay->io);
	if (r < 0) {
		relay_end_answers(relay);
		return;
	}
	stream_consume(relay->inner, bytes.len);
	await_answers(relay);
}

void relay(struct stream *io, struct stream *inner, msec_t timeout)
{
	struct relay relay = { .io = io, .inner = inner };
	int r;

	WAITLIST_INIT(&relay.done);
	/* When the suite stops, the session says good-bye and ends this. */
	stream_finish_first(io, true);
	stream_finish_first(inner, true);
	stream_set_timeout(io, timeout);
	/* The silence of a session is that of its client; only a client ends it. */
	stream_set_timeout(inner, timeout == MSEC_FOREVER ? timeout : 2 * timeout);
	await_answers(&relay);
	task_trim_stack();
	r = pass_on(io, inner);
	/* A client that has shut down its side may still read; one that failed may not. */
	shutdown(stream_fd(inner), r == 0 && !relay.ended ? SHUT_WR : SHUT_RDWR);
	while (!relay.ended)
		wait_on(&relay.done, MSEC_FOREVER);
	stream_free(inner);
}
