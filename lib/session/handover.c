/*
 * Giving a logged-in connection to the user's process. The receiver believes nothing but what auth
 * has said.
 */
#include "session/handover.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "services/clients.h"
#include "session/internal.h"
#include "tls/tls.h"

#define CONNECT_TIME ((msec_t)10 * 1000)
/* The session's process may have to be made, and a mailbox index to be built. */
#define ANSWER_TIME ((msec_t)120 * 1000)
#define IDLE_MAX    16
#define UNAVAILABLE "The mailbox is not available now, please try again later"

/* A program of the network side talks to one session program. */
static struct ipc_pool *handover_pool_of(const char *service)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, service, IDLE_MAX, ANSWER_TIME);
}

/* Sends the descriptor and hears whether it was taken. */
static int offer(const struct handover *what, int connection, struct view input, bool secured,
		 struct str *text)
{
	struct ipc_pool *pool = handover_pool_of(what->service);
	struct message m;
	struct ipc *ipc;
	int r = ipc_exchange(
		pool, clock_after(CONNECT_TIME), &ipc, &m, session, .cookie = what->cookie,
		.tag = what->tag, .input = input, .client_address = what->client_address,
		.server_name = what->server_name, .secured = secured, .connection = connection);

	if (r < 0) {
		log_warning("%s does not take a session: %s", what->service, strerror(-r));
		str_set(text, VIEW(UNAVAILABLE));
		return -EAGAIN;
	}
	if (m.type == MSG_auth_failed) {
		str_set(text, m.auth_failed.text);
		r = m.auth_failed.why == AUTH_FAIL_TEMPORARY ? -EAGAIN : -EACCES;
	} else if (m.type != MSG_done) {
		message_close_fd(&m);
		str_set(text, VIEW(UNAVAILABLE));
		r = -EAGAIN;
	}
	ipc_pool_put(pool, ipc, m.type == MSG_done || m.type == MSG_auth_failed);
	return r;
}

static int hand_over_plain(struct stream *io, const struct handover *what, struct str *text)
{
	int r = offer(what, stream_fd(io), stream_buffered(io), false, text);

	if (r < 0)
		return r;
	stream_discard_input(io);
	r = stream_detach(io);
	if (r < 0)
		return r;
	close(r);
	return 0;
}

static int hand_over_relayed(struct stream *io, const struct handover *what, struct str *text)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		str_set(text, VIEW(UNAVAILABLE));
		return -EAGAIN;
	}
	r = offer(what, pair[1], stream_buffered(io), true, text);
	close(pair[1]);
	if (r < 0) {
		close(pair[0]);
		return r;
	}
	stream_discard_input(io);
	relay(io, stream_new(pair[0]), what->timeout);
	return 0;
}

int session_handover(struct stream *io, const struct handover *what, struct str *text)
{
	struct tls_info info;
	int r = stream_flush(io);

	if (r < 0)
		return r;
	if (stream_buffered(io).len > IPC_FRAME_MAX)
		return -EMSGSIZE;
	if (stream_tls_info(io, &info))
		return hand_over_relayed(io, what, text);
	return hand_over_plain(io, what, text);
}
