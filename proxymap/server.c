/* Asking servers, and the connections that are kept to them. What they say is for reply.c. */
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "permit.h"
#include "reply.h"
#include "services/clients.h"
#include "task/stream.h"

struct idle {
	struct stream *io;
	msec_t since;
};
/* One for each table that is permitted and was asked: they are few, and stay. */
struct server {
	char *name;
	struct str endpoint;
	enum table_protocol protocol;
	struct idle idle[SERVER_IDLE_MAX]; /* the one used last at the end */
	size_t idle_count;
	unsigned questions, silences;
	msec_t silent_until;
	struct server *next;
};

static struct server *servers;

void servers_close(void)
{
	while (servers != NULL) {
		struct server *s = servers;

		servers = s->next;
		while (s->idle_count > 0)
			stream_free(s->idle[--s->idle_count].io);
		str_free(&s->endpoint);
		free(s->name);
		free(s);
	}
}

struct server *server_new(struct view name, struct view endpoint, enum table_protocol protocol)
{
	struct server *s = mem_new(struct server);

	s->name = mem_strndup(name.data, name.len);
	s->protocol = protocol;
	if (protocol == TABLE_SERVER_TCP)
		str_append_cstr(&s->endpoint, "inet:");
	str_append(&s->endpoint, endpoint);
	s->next = servers;
	servers = s;
	return s;
}

static int server_find(struct view table, const struct table_server *parsed, struct server **found,
		       struct error *err)
{
	for (struct server *s = servers; s != NULL; s = s->next)
		if (view_is(table, s->name)) {
			*found = s;
			return 0;
		}
	if (!permit_has(table))
		return error_set(err, -EACCES, "proxy_read_maps does not have this table");
	*found = server_new(table, parsed->endpoint, parsed->protocol);
	return 0;
}

/* Closed, or the server has said something that nobody asked for. */
static bool idle_is_usable(const struct idle *idle)
{
	char byte;

	return clock_now() - idle->since < SERVER_IDLE_TIME && stream_buffered(idle->io).len == 0 &&
	       recv(stream_fd(idle->io), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static struct stream *server_take_idle(struct server *s)
{
	while (s->idle_count > 0) {
		struct idle *idle = &s->idle[--s->idle_count];

		if (idle_is_usable(idle))
			return idle->io;
		stream_free(idle->io);
	}
	return NULL;
}

static void proxymap_server_keep(struct server *s, struct stream *io)
{
	if (s->idle_count == SERVER_IDLE_MAX) {
		stream_free(io);
		return;
	}
	s->idle[s->idle_count++] = (struct idle){ .io = io, .since = clock_now() };
}

static int exchange(struct server *s, struct stream *io, struct view question,
		    struct table_reply *reply)
{
	int r;

	stream_write(io, question);
	r = stream_flush(io);
	while (r == 0) {
		struct view bytes;
		size_t used;

		r = stream_peek(io, &bytes);
		if (r < 0)
			break;
		r = table_reply_feed(reply, s->protocol, bytes, &used);
		stream_consume(io, used);
	}
	return r;
}

/* 1 with the reply, or a negative errno. */
static int server_try(struct server *s, struct view question, msec_t deadline,
		      struct table_reply *reply)
{
	for (;;) {
		struct stream *io = server_take_idle(s);
		bool was_kept = io != NULL;
		int r;

		if (io == NULL) {
			r = service_endpoint_connect(str_view(&s->endpoint), deadline);
			if (r < 0)
				return r;
			io = stream_new(r);
		}
		stream_finish_first(io, true);
		/* Of everything: a byte now and then does not make it longer. */
		stream_set_deadline(io, deadline);
		r = exchange(s, io, question, reply);
		if (r > 0) {
			proxymap_server_keep(s, io);
			return r;
		}
		stream_free(io);
		/* Closed in the moment that it was asked, before a word: that is no failure yet. */
		if (!was_kept || reply->bytes.len > 0 ||
		    (r != -ENODATA && r != -EPIPE && r != -ECONNRESET))
			return r;
	}
}

static const char *server_failure(int r)
{
	return r == -EBADMSG   ? "its answer makes no sense"
	       : r == -ENODATA ? "it closed the connection without an answer"
	       : r == -EINVAL  ? "its address makes no sense"
			       : strerror(-r);
}

static void server_note_time(struct server *s, bool was_silent)
{
	s->silences = was_silent ? s->silences + 1 : 0;
	if (s->silences >= SERVER_SILENCES_MAX)
		s->silent_until = clock_after(SERVER_SILENCE_PENALTY);
}

int server_talk(struct server *s, struct view question, msec_t timeout, struct str *value,
		struct error *err)
{
	struct table_reply reply = { 0 };
	int r;

	if (clock_now() < s->silent_until)
		return error_set(err, -EAGAIN,
				 "the server was silent, it is left alone for a while");
	if (s->questions >= SERVER_QUESTIONS_MAX)
		return error_set(err, -EAGAIN, "the server is asked too much at a time");
	s->questions++;
	r = server_try(s, question, clock_after(timeout), &reply);
	s->questions--;
	server_note_time(s, r == -ETIMEDOUT);
	if (r < 0) {
		error_set(err, r, "the server: %s", server_failure(r));
	} else if (reply.outcome == TABLE_FAILED) {
		r = error_set(err, -EAGAIN, "the server says: %s", str_cstr(&reply.text));
	} else {
		r = reply.outcome == TABLE_FOUND;
		str_append(value, str_view(&reply.value));
	}
	table_reply_free(&reply);
	return r;
}

int server_ask(struct view table, struct view key, struct str *value, struct error *err)
{
	_cleanup_(str_free) struct str question = STR_EMPTY;
	struct table_server parsed;
	struct server *s = NULL;
	int r = table_server_parse(table, &parsed, err);

	if (r == 0)
		r = server_find(table, &parsed, &s, err);
	if (r < 0)
		return r;
	if (table_question_append(&question, &parsed, key) < 0)
		return error_set(err, -EMSGSIZE, "the key is too long for the server");
	return server_talk(s, str_view(&question), param.table_server_timeout, value, err);
}
