/* Asking policy servers, and the connections that are kept to them. */
#include "policy.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "endpoint.h"
#include "services/clients.h"
#include "task/stream.h"
#include "task/task.h"

/* Kept to all servers together; the one that was idle longest goes first. */
#define KEPT_MAX 200

struct policy_server {
	struct str endpoint;
	struct stream *io;
	msec_t made, used;
	uint64_t requests;
};

static struct {
	struct policy_server *idle[KEPT_MAX]; /* the one used last at the end */
	size_t count;
} kept;

static void policy_server_free(struct policy_server *server)
{
	if (server == NULL)
		return;
	stream_free(server->io);
	str_free(&server->endpoint);
	free(server);
}

static struct policy_server *policy_kept_remove(size_t at)
{
	struct policy_server *server = kept.idle[at];

	memmove(kept.idle + at, kept.idle + at + 1, (--kept.count - at) * sizeof(kept.idle[0]));
	return server;
}

static void policy_server_keep(struct policy_server *server)
{
	if (kept.count == KEPT_MAX)
		policy_server_free(policy_kept_remove(0));
	kept.idle[kept.count++] = server;
}

/* Too old, or the server has closed it or said something that nobody asked for. */
static bool is_stale(const struct policy_server *server, const struct msg_policy_ask *q)
{
	msec_t now = clock_now();
	char byte;

	if ((q->max_idle > 0 && now - server->used > (msec_t)q->max_idle) ||
	    (q->max_ttl > 0 && now - server->made > (msec_t)q->max_ttl) ||
	    (q->request_limit > 0 && server->requests >= q->request_limit))
		return true;
	return stream_buffered(server->io).len > 0 ||
	       recv(stream_fd(server->io), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	       errno != EAGAIN;
}

static struct policy_server *policy_server_take(const struct msg_policy_ask *q)
{
	for (size_t i = kept.count; i-- > 0;) {
		if (!view_eq(str_view(&kept.idle[i]->endpoint), q->server))
			continue;

		struct policy_server *server = policy_kept_remove(i);

		if (!is_stale(server, q))
			return server;
		policy_server_free(server);
	}
	return NULL;
}

static int policy_server_connect(const struct msg_policy_ask *q, msec_t deadline,
				 struct policy_server **server)
{
	int fd = service_endpoint_connect(q->server, deadline);

	if (fd < 0)
		return fd;
	*server = mem_new(struct policy_server);
	str_append(&(*server)->endpoint, q->server);
	(*server)->io = stream_new(fd);
	(*server)->made = clock_now();
	return 0;
}

static int policy_exchange(struct policy_server *server, const struct msg_policy_ask *q,
			   msec_t deadline, struct str *action)
{
	struct policy_reply reply = { 0 };
	int r;

	stream_finish_first(server->io, true);
	stream_set_deadline(server->io, deadline);
	stream_write(server->io, q->attributes);
	stream_write(server->io, VIEW("\n"));
	r = stream_flush(server->io);
	while (r == 0) {
		struct view bytes;
		size_t used;

		r = stream_peek(server->io, &bytes);
		if (r < 0)
			break;
		r = policy_reply_feed(&reply, bytes, &used);
		stream_consume(server->io, used);
	}
	if (r > 0)
		str_append(action, str_view(&reply.action));
	policy_reply_free(&reply);
	return MIN(r, 0);
}

static int policy_try(const struct msg_policy_ask *q, struct str *action)
{
	msec_t deadline = clock_after(q->timeout);
	struct policy_server *server = policy_server_take(q);
	bool was_kept = server != NULL;
	int r = was_kept ? 0 : policy_server_connect(q, deadline, &server);

	if (r == 0)
		r = policy_exchange(server, q, deadline, action);
	if (r == 0) {
		server->used = clock_now();
		server->requests++;
		policy_server_keep(server);
		return 0;
	}
	policy_server_free(server);
	/* It closed the kept connection in the moment that it was asked: that is no failure yet. */
	if (was_kept && (r == -ENODATA || r == -EPIPE || r == -ECONNRESET))
		return policy_try(q, action);
	return r;
}

static const char *policy_failure(int r)
{
	return r == -EBADMSG   ? "its answer is not one action"
	       : r == -ENODATA ? "it closed the connection without an answer"
	       : r == -EINVAL  ? "expected inet:host:port or unix:path"
	       : r == -EPERM   ? "it does not stand in main.cf or master.cf"
			       : strerror(-r);
}

int policy_server_ask(const struct msg_policy_ask *question, struct str *action)
{
	int r = endpoint_is_configured(question->server) ? -EAGAIN : -EPERM;

	for (uint32_t i = 0; i < question->try_limit && r < 0 && r != -EPERM && r != -EINVAL; i++) {
		if (i > 0)
			task_sleep(question->retry_delay);
		r = policy_try(question, action);
		if (r < 0)
			log_warning("policy server %.*s: %s", VIEW_ARG(question->server),
				    policy_failure(r));
	}
	if (r == -EPERM || r == -EINVAL)
		log_warning("policy server %.*s: %s", VIEW_ARG(question->server),
			    policy_failure(r));
	return r;
}

void policy_servers_close(void)
{
	while (kept.count > 0)
		policy_server_free(policy_kept_remove(kept.count - 1));
}
