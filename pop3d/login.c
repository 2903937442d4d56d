#include "login.h"

#include <errno.h>
#include <stdarg.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "services/clients.h"

struct command {
	const char *name;
	int (*handle)(struct login *l, struct view argument);
};

static int pop3_login_reply(struct login *l, const char *prefix, const char *format, va_list args)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_append_cstr(&text, prefix);
	str_vprintf(&text, format, args);
	str_append(&text, VIEW("\r\n"));
	return stream_write(l->io, str_view(&text));
}

int login_reply(struct login *l, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = pop3_login_reply(l, "", format, args);
	va_end(args);
	return r < 0 ? r : LOGIN_GO_ON;
}

int login_refuse(struct login *l, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = pop3_login_reply(l, "-ERR ", format, args);
	va_end(args);
	return r < 0 ? r : LOGIN_BAD;
}

bool login_may_send_password(const struct login *l)
{
	return l->secured || !param.disable_plaintext_auth;
}

static int login_command_capa(struct login *l, struct view argument)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, names = STR_EMPTY;

	(void)argument;
	str_append_cstr(&text,
			"+OK Capability list follows\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\n"
			"PIPELINING\r\nAUTH-RESP-CODE\r\n");
	if (!l->secured && l->tls != NULL)
		str_append_cstr(&text, "STLS\r\n");
	if (login_may_send_password(l))
		str_append_cstr(&text, "USER\r\n");
	if (auth_mechanisms(VIEW("pop3"), l->secured, &names) == 0 && names.len > 0)
		str_printf(&text, "SASL %s\r\n", str_cstr(&names));
	str_append_cstr(&text, ".\r\n");

	int r = stream_write(l->io, str_view(&text));

	return r < 0 ? r : LOGIN_GO_ON;
}

static int login_command_quit(struct login *l, struct view argument)
{
	int r = login_reply(l, "+OK Logging out");

	(void)argument;
	return r < 0 ? r : LOGIN_END;
}

static int command_stls(struct login *l, struct view argument)
{
	int r;

	(void)argument;
	if (l->secured)
		return login_refuse(l, "TLS is already active.");
	if (l->tls == NULL)
		return login_refuse(l, "TLS is not available here.");
	r = login_reply(l, "+OK Begin TLS negotiation now.");
	if (r >= 0)
		r = stream_flush(l->io);
	if (r < 0)
		return r;
	/* What came in the clear after STLS was not written by whom TLS will prove. */
	if (stream_buffered(l->io).len > 0)
		log_warning("input after STLS dropped, rip=%s", l->peer->text);
	stream_discard_input(l->io);
	r = stream_start_tls_server(l->io, l->tls);
	if (r < 0)
		return r;
	/* RFC 2595 4: what was learnt before is forgotten. */
	str_clear(&l->user);
	l->has_user = false;
	l->secured = true;
	return LOGIN_GO_ON;
}

static const struct command commands[] = {
	{ "CAPA", login_command_capa }, { "USER", login_command_user },
	{ "PASS", login_command_pass }, { "AUTH", login_command_auth },
	{ "STLS", command_stls },	{ "QUIT", login_command_quit },
};

static int pop3_login_command(struct login *l)
{
	struct view line, name;
	int r = stream_read_line(l->io, &line, POP3_LINE_MAX);

	if (r == -EMSGSIZE)
		return login_refuse(l, "Line is longer than %d octets.", POP3_LINE_MAX);
	if (r < 0)
		return r;
	name = view_first(line, view_find_byte(line, ' '));
	line = view_from(line, MIN(name.len + 1, line.len));
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (view_is_nocase(name, commands[i].name))
			return commands[i].handle(l, line);
	return login_refuse(l, "Unknown command, or log in first.");
}

/* A web browser, or somebody who uses one against us (ALPACA), is not talked to. */
static bool pop3_looks_like_http(struct login *l)
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

static int pop3_greet(struct login *l, bool wrapped)
{
	int r = 0;

	if (wrapped) {
		r = stream_start_tls_server(l->io, l->tls);
		if (r < 0)
			return r;
		l->secured = true;
	}
	r = login_reply(l, "+OK %s POP3 ready.", param.myhostname);
	return r < 0 ? r : stream_flush(l->io);
}

static int pop3_login_converse(struct login *l)
{
	int r = LOGIN_GO_ON;

	while (r != LOGIN_END) {
		r = pop3_login_command(l);
		if (r < 0)
			return r;
		if (r != LOGIN_END && l->failures >= param.auth_failures_max)
			return LOGIN_END;
		if (r == LOGIN_BAD && ++l->bad_commands >= param.pop3_bad_commands_max) {
			(void)login_reply(l, "-ERR Too many invalid commands.");
			return LOGIN_END;
		}
	}
	return 0;
}

static void pop3_login_goodbye(struct login *l, int why)
{
	if (why == -ESHUTDOWN)
		(void)login_reply(l, "-ERR [SYS/TEMP] Server shutting down.");
	else if (why == -ETIMEDOUT)
		(void)login_reply(l, "-ERR Disconnected for inactivity.");
	(void)stream_flush(l->io);
	if (why < 0 && why != -ENODATA)
		log_info("disconnected: rip=%s, secured=%s, user=<%s>: %s", l->peer->text,
			 l->secured ? "yes" : "no", str_cstr(&l->last_user),
			 why == -EPROTO ? stream_error(l->io) : strerror(-why));
}

void login_serve(struct stream *io, const struct peer *peer, struct tls_context *tls, bool wrapped)
{
	struct login l = { .io = io, .peer = peer, .tls = tls };
	int r;

	/* Not longer than this for anyone who has not logged in, however busy they look. */
	stream_set_timeout(io, param.pop3_login_timeout);
	stream_set_deadline(io, clock_after(param.pop3_login_timeout));
	r = pop3_greet(&l, wrapped);
	if (r >= 0 && !pop3_looks_like_http(&l))
		r = pop3_login_converse(&l);
	pop3_login_goodbye(&l, r);
	str_free(&l.user);
	str_free(&l.last_user);
}
