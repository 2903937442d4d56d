/* The client of Dovecot's authentication protocol: connections and exchanges. Parses nothing. */
#include "dovecot.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"
#include "dovecot_reply.h"
#include "services/clients.h"
#include "task/stream.h"

/* For connecting and the greeting. */
#define DOVECOT_CONNECT_TIME ((msec_t)10 * 1000)
/* For one answer: a server delays those to failures, and may have its own penalties. */
#define DOVECOT_ANSWER_TIME ((msec_t)60 * 1000)
/* Lines before the one that is waited for: of the greeting, or of what is passed over. */
#define DOVECOT_LINES_MAX      200
#define DOVECOT_MECHANISMS_MAX 40
#define DOVECOT_IDLE_MAX       20
#define DOVECOT_IDLE_TIME      ((msec_t)60 * 1000)
/* No mechanism has as many rounds. */
#define DOVECOT_ROUNDS_MAX 32

struct dovecot_mechanism {
	char name[MECHANISM_NAME_MAX + 1];
	unsigned kinds;
};
struct connection {
	struct stream *io;
	uint32_t last_id;
	msec_t since; /* it is idle */
	struct dovecot_mechanism mechanisms[DOVECOT_MECHANISMS_MAX];
	size_t count;
};
struct dovecot_server {
	struct str endpoint;
	struct connection *idle[DOVECOT_IDLE_MAX]; /* the one used last at the end */
	size_t idle_count;
};

struct dovecot_server *dovecot_server_new(struct view path)
{
	struct dovecot_server *server = mem_new(struct dovecot_server);

	if (!view_starts(path, VIEW("inet:")) && !view_starts(path, VIEW("unix:")))
		str_append(&server->endpoint, VIEW("unix:"));
	str_append(&server->endpoint, path);
	return server;
}

bool dovecot_server_is_remote(const struct dovecot_server *server)
{
	return view_starts(str_view(&server->endpoint), VIEW("inet:"));
}

/* ---- connections ---- */

static void connection_free(struct connection *c)
{
	if (c == NULL)
		return;
	stream_free(c->io);
	free(c);
}

/* The next line. 0, -EBADMSG, or what a stream may say. */
static int connection_read(struct connection *c, struct dovecot_reply *reply)
{
	struct view line;
	int r = stream_read_line(c->io, &line, DOVECOT_LINE_MAX);

	dovecot_reply_free(reply);
	if (r < 0)
		return r == -EMSGSIZE ? -EBADMSG : r;
	return dovecot_reply_parse(line, reply);
}

static int connection_note(struct connection *c, const struct dovecot_reply *reply)
{
	struct dovecot_mechanism *m = &c->mechanisms[c->count];

	if (c->count == DOVECOT_MECHANISMS_MAX)
		return -EBADMSG;
	/* Bindings to the channel are not carried. */
	if (view_ends_nocase(str_view(&reply->name), VIEW("-PLUS")))
		return 0;
	memcpy(m->name, reply->name.data, reply->name.len);
	for (size_t i = 0; i < reply->name.len; i++)
		m->name[i] = ascii_upper(m->name[i]);
	m->name[reply->name.len] = '\0';
	m->kinds = reply->kinds;
	c->count++;
	return 0;
}

/* VERSION first, then whatever, until DONE. */
static int connection_greet(struct connection *c)
{
	struct dovecot_reply reply = { .word = DOVECOT_OTHER };
	int r = stream_printf(c->io, "VERSION\t1\t2\nCPID\t%u\n", (unsigned)getpid());

	if (r == 0)
		r = stream_flush(c->io);
	for (int i = 0; r == 0 && reply.word != DOVECOT_DONE; i++) {
		r = i < DOVECOT_LINES_MAX ? connection_read(c, &reply) : -EBADMSG;
		if (r == 0 &&
		    ((i == 0) != (reply.word == DOVECOT_VERSION) || (i == 0 && reply.major != 1)))
			r = -EBADMSG;
		else if (r == 0 && reply.word == DOVECOT_MECH)
			r = connection_note(c, &reply);
	}
	dovecot_reply_free(&reply);
	/* Another of its sockets, which is not for us. */
	return r == 0 && c->count == 0 ? -ENOPROTOOPT : r;
}

static const char *dovecot_failure(int r)
{
	return r == -EBADMSG	   ? "what it says makes no sense"
	       : r == -ENOPROTOOPT ? "it has no mechanisms"
	       : r == -ENODATA	   ? "it closed the connection"
	       : r == -EINVAL	   ? "its address makes no sense"
				   : strerror(-r);
}

static int dovecot_fail(const struct dovecot_server *server, int r, struct error *err)
{
	return error_set(err, r, "authentication server %s: %s", str_cstr(&server->endpoint),
			 dovecot_failure(r));
}

static int server_connect(struct dovecot_server *server, struct connection **connection,
			  struct error *err)
{
	msec_t deadline = clock_after(DOVECOT_CONNECT_TIME);
	int r = service_endpoint_connect(str_view(&server->endpoint), deadline);
	struct connection *c;

	if (r < 0)
		return dovecot_fail(server, r, err);
	c = mem_new(struct connection);
	c->io = stream_new(r);
	stream_wipe_output(c->io);
	stream_finish_first(c->io, true);
	stream_set_deadline(c->io, deadline);
	r = connection_greet(c);
	if (r < 0) {
		connection_free(c);
		return dovecot_fail(server, r, err);
	}
	*connection = c;
	return 0;
}

/* Neither closed, nor has the server said something that nobody asked for. */
static bool connection_is_usable(const struct connection *c)
{
	char byte;

	return clock_now() - c->since < DOVECOT_IDLE_TIME && stream_buffered(c->io).len == 0 &&
	       recv(stream_fd(c->io), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static int server_take(struct dovecot_server *server, struct connection **c, bool *was_kept,
		       struct error *err)
{
	*was_kept = true;
	while (server->idle_count > 0) {
		*c = server->idle[--server->idle_count];
		if (connection_is_usable(*c))
			return 0;
		connection_free(*c);
	}
	*was_kept = false;
	return server_connect(server, c, err);
}

static void server_keep(struct dovecot_server *server, struct connection *c)
{
	if (server->idle_count == DOVECOT_IDLE_MAX) {
		connection_free(c);
		return;
	}
	c->since = clock_now();
	server->idle[server->idle_count++] = c;
}

/* ---- mechanisms ---- */

static bool connection_has_mechanism(const struct connection *c, const char *name,
				     struct view refused)
{
	for (size_t i = 0; i < c->count; i++)
		if (view_is_nocase(view_of(name), c->mechanisms[i].name))
			return mechanism_suits(c->mechanisms[i].kinds, refused);
	return false;
}

int dovecot_mechanisms(struct dovecot_server *server, struct view refused, struct str *names,
		       struct error *err)
{
	struct connection *c;
	bool was_kept;
	int r = server_take(server, &c, &was_kept, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < c->count; i++)
		if (!(c->mechanisms[i].kinds & MECHANISM_PRIVATE) &&
		    mechanism_suits(c->mechanisms[i].kinds, refused))
			str_printf(names, "%s%s", names->len > 0 ? " " : "", c->mechanisms[i].name);
	server_keep(server, c);
	return 0;
}

/* ---- exchanges ---- */

static void append_parameter(struct str *line, const char *name, struct view value)
{
	if (value.len == 0)
		return;
	str_printf(line, "\t%s=", name);
	tab_escape(line, value);
}

/* Sends a line that holds what the client said, which may be its password. */
static int connection_send(struct connection *c, struct str *line)
{
	int r = line->len < DOVECOT_LINE_MAX ? 0 : -EMSGSIZE;

	str_append_byte(line, '\n');
	stream_set_deadline(c->io, clock_after(DOVECOT_ANSWER_TIME));
	if (r == 0)
		r = stream_write(c->io, str_view(line));
	if (r == 0)
		r = stream_flush(c->io);
	return r;
}

static int connection_begin(struct connection *c, const struct exchange *x)
{
	_cleanup_(str_wipe) struct str line = STR_EMPTY;
	const struct attempt *attempt = x->attempt;

	str_printf(&line, "AUTH\t%u\t%s", ++c->last_id, attempt->mechanism);
	append_parameter(&line, "service", str_view(&attempt->service));
	/* It is not to wait for a master process that asks for the user's mailbox. */
	str_append(&line, VIEW("\tnologin"));
	append_parameter(&line, "lip", str_view(&attempt->server_address));
	append_parameter(&line, "rip", str_view(&attempt->client_address));
	if (attempt->secured)
		str_append(&line, VIEW("\tsecured"));
	/* The last of them. */
	if (x->has_initial) {
		str_append(&line, VIEW("\tresp="));
		base64_encode(&line, str_view(&x->said));
	}
	return connection_send(c, &line);
}

static int connection_respond(struct connection *c, const struct exchange *x)
{
	_cleanup_(str_wipe) struct str line = STR_EMPTY;

	str_printf(&line, "CONT\t%u\t", c->last_id);
	base64_encode(&line, str_view(&x->said));
	return connection_send(c, &line);
}

/* The answer to this exchange; others are of exchanges that nobody waits for any more. */
static int connection_answer(struct connection *c, struct dovecot_reply *reply)
{
	for (int i = 0; i < DOVECOT_LINES_MAX; i++) {
		int r = connection_read(c, reply);

		if (r < 0)
			return r;
		if (reply->word >= DOVECOT_CONT && reply->id == c->last_id)
			return 0;
	}
	return -EBADMSG;
}

static int dovecot_conclude(struct exchange *x, struct dovecot_reply *reply)
{
	str_set(&x->name, str_view(&reply->name));
	if (reply->word == DOVECOT_OK) {
		str_set(&x->user, str_view(&reply->name));
		str_set(&x->final, str_view(&reply->data));
		x->verdict = LOGIN_RIGHT;
		return 0;
	}
	x->verdict = reply->temporary  ? LOGIN_TEMPORARY
		     : reply->disabled ? LOGIN_DISABLED
				       : LOGIN_WRONG;
	error_set(&x->why, 0, "the authentication server refuses%s%s",
		  reply->reason.len > 0 ? ": " : "", str_cstr(&reply->reason));
	return 0;
}

/*
 * Rounds until the server has decided. *server_failed: what is returned is the server's fault, and
 * is not 0; *begun: it had said something.
 */
static int dovecot_converse(struct exchange *x, struct connection *c, bool *server_failed,
			    bool *begun)
{
	struct dovecot_reply reply = { .word = DOVECOT_OTHER };
	int r = connection_begin(c, x);

	*server_failed = true;
	*begun = false;
	for (int round = 0; r == 0; round++) {
		r = round < DOVECOT_ROUNDS_MAX ? connection_answer(c, &reply) : -EBADMSG;
		*begun |= r == 0;
		if (r < 0 || reply.word != DOVECOT_CONT)
			break;
		r = exchange_ask(x, str_view(&reply.data));
		*server_failed = r == 0;
		if (r == 0)
			r = connection_respond(c, x);
	}
	if (r == 0)
		r = dovecot_conclude(x, &reply);
	dovecot_reply_free(&reply);
	return r;
}

int dovecot_run(struct exchange *x, struct dovecot_server *server, struct view refused)
{
	for (;;) {
		struct connection *c;
		bool was_kept, server_failed, begun;
		int r = server_take(server, &c, &was_kept, &x->why);

		x->verdict = LOGIN_TEMPORARY;
		if (r < 0)
			return 0;
		if (!connection_has_mechanism(c, x->attempt->mechanism, refused)) {
			server_keep(server, c);
			return EXCHANGE_UNKNOWN;
		}
		r = dovecot_converse(x, c, &server_failed, &begun);
		if (r == 0) {
			server_keep(server, c);
			return 0;
		}
		/* Also when the client has gone: the server then forgets the exchange. */
		connection_free(c);
		if (!server_failed)
			return r;
		/* Closed in the moment that it was asked: that is no failure yet. */
		if (was_kept && !begun && (r == -ENODATA || r == -EPIPE || r == -ECONNRESET))
			continue;
		dovecot_fail(server, r, &x->why);
		return 0;
	}
}
