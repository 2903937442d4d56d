/*
 * One client from its greeting to its goodbye, or to the session that takes it over. The protocol
 * reads and answers commands; this says when it is enough.
 */
#include "login/login.h"

#include <errno.h>

#include "base/log.h"
#include "conf/conf.h"
#include "login/internal.h"

int login_prepare(const struct login_protocol *protocol, struct error *err)
{
	int r = crowd_prepare(err);

	return r < 0 ? r : login_tls_prepare(protocol, err);
}

/* A web browser, or somebody who uses one against us (ALPACA), is not talked to. */
static bool login_is_http(struct login *l)
{
	static const char *const methods[] = { "GET ",	"POST ",    "PUT ",
					       "HEAD ", "OPTIONS ", "CONNECT " };
	struct view start;

	if (stream_peek(l->io, &start) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (view_starts(start, view_of(methods[i])))
			return true;
	return false;
}

static int login_end(struct login *l, enum login_end why)
{
	(void)stream_printf(l->io, "%s\r\n", l->protocol->ends[why]);
	return LOGIN_END;
}

/* Commands until the login, the end, or too many that were none or failed. */
static int login_loop(struct login *l)
{
	int r = LOGIN_GO_ON;

	while (r != LOGIN_END) {
		r = l->protocol->command(l);
		if (r < 0)
			return r;
		if (r != LOGIN_END && l->failures >= param.auth_failures_max)
			return login_end(l, END_FAILURES);
		if (r == LOGIN_BAD && ++l->bad_commands >= l->protocol->bad_commands_max())
			return login_end(l, END_BAD_COMMANDS);
	}
	return 0;
}

static int login_welcome(struct login *l)
{
	int r = 0;

	if (!crowd_enter(l)) {
		/* Before TLS, words of ours would not be understood. */
		if (!l->protocol->tls_comes_first())
			login_end(l, END_CROWD);
		return LOGIN_END;
	}
	if (l->protocol->tls_comes_first())
		r = login_start_tls(l);
	if (r == 0)
		r = l->protocol->greet(l);
	return r < 0 ? r : stream_flush(l->io);
}

static void say_goodbye(struct login *l, int why)
{
	if (why == -ESHUTDOWN)
		login_end(l, END_SHUTDOWN);
	else if (why == -ETIMEDOUT)
		login_end(l, END_IDLE);
	else if (why == -ENODATA && l->spare.gives_way)
		login_end(l, END_CROWD);
	(void)stream_flush(l->io);
	if (l->spare.gives_way)
		log_info("disconnected for a new client: rip=%s", l->peer->text);
	else if (why < 0 && why != -ENODATA)
		log_info("disconnected: rip=%s, secured=%s, user=<%s>: %s", l->peer->text,
			 l->secured ? "yes" : "no", str_cstr(&l->user),
			 why == -EPROTO ? stream_error(l->io) : strerror(-why));
}

void login_serve(struct stream *io, const struct peer *peer, const struct login_protocol *protocol,
		 void *own)
{
	struct login l = { .io = io, .peer = peer, .protocol = protocol, .own = own };
	int r;

	stream_wipe_input(io);
	/* Not longer than this for anyone who has not logged in, however busy they look. */
	stream_set_timeout(io, protocol->timeout());
	stream_set_deadline(io, clock_after(protocol->timeout()));
	r = login_welcome(&l);
	if (r == 0 && !login_is_http(&l))
		r = login_loop(&l);
	say_goodbye(&l, r);
	crowd_leave(&l);
	str_free(&l.user);
}
