#include "login.h"

#include <errno.h>
#include <stdarg.h>

#include "base/log.h"
#include "conf/conf.h"
#include "services/clients.h"

struct command {
	const char *name;
	int (*handle)(struct login *l);
};

int login_reply(struct login *l, const char *format, ...)
{
	struct str text = STR_EMPTY;
	struct view tag = imap_command_tag(l->parser);
	va_list args;
	int r;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	/* A line whose tag could not be read is answered untagged. */
	r = stream_printf(l->io, "%.*s %s\r\n", tag.len > 0 ? (int)tag.len : 1,
			  tag.len > 0 ? tag.data : "*", str_cstr(&text));
	str_free(&text);
	return r < 0 ? r : LOGIN_GO_ON;
}

int login_syntax(struct login *l, int r)
{
	if (r != -EBADMSG && r != -EMSGSIZE)
		return r;
	r = login_reply(l, "BAD %s.", imap_parser_problem(l->parser));
	return r < 0 ? r : LOGIN_BAD;
}

void login_capabilities(const struct login *l, struct str *out)
{
	struct str names = STR_EMPTY;
	struct view rest, name;

	str_append_cstr(out, "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE");
	if (!l->secured && l->tls != NULL)
		str_append_cstr(out, " STARTTLS");
	if (auth_mechanisms(VIEW("imap"), l->secured, &names) == 0) {
		rest = str_view(&names);
		while (view_next_word(&rest, " ", &name))
			str_printf(out, " AUTH=%.*s", VIEW_ARG(name));
	}
	if (!l->secured && param.disable_plaintext_auth)
		str_append_cstr(out, " LOGINDISABLED");
	str_free(&names);
}

static int login_command_capability(struct login *l)
{
	struct str names = STR_EMPTY;
	int r = imap_end(l->parser);

	if (r < 0)
		return login_syntax(l, r);
	login_capabilities(l, &names);
	r = stream_printf(l->io, "* CAPABILITY %s\r\n", str_cstr(&names));
	str_free(&names);
	return r < 0 ? r : login_reply(l, "OK Capability completed.");
}

static int login_command_noop(struct login *l)
{
	int r = imap_end(l->parser);

	return r < 0 ? login_syntax(l, r) : login_reply(l, "OK NOOP completed.");
}

static int login_command_logout(struct login *l)
{
	int r = imap_end(l->parser);

	if (r < 0)
		return login_syntax(l, r);
	r = stream_printf(l->io, "* BYE Logging out\r\n");
	if (r == 0)
		r = login_reply(l, "OK Logout completed.");
	return r < 0 ? r : LOGIN_END;
}

/*
 * RFC 2971. Clients send all sorts of things (Outlook sends it first of all, `ID ()`, `ID ("NIL")`);
 * none of it matters to us, so whatever stands there is skipped and answered well.
 */
static int login_command_id(struct login *l)
{
	int r = stream_printf(l->io, "* ID (\"name\" \"%s\")\r\n", param.mail_name);

	return r < 0 ? r : login_reply(l, "OK ID completed.");
}

static int command_starttls(struct login *l)
{
	int r = imap_end(l->parser);

	if (r < 0)
		return login_syntax(l, r);
	if (l->secured)
		return login_reply(l, "BAD TLS is already active.");
	if (l->tls == NULL)
		return login_reply(l, "BAD TLS is not available here.");
	r = login_reply(l, "OK Begin TLS negotiation now.");
	if (r >= 0)
		r = stream_flush(l->io);
	if (r < 0)
		return r;
	/* What came in the clear after STARTTLS was not written by whom TLS will prove. */
	if (stream_buffered(l->io).len > 0)
		log_warning("input after STARTTLS dropped, rip=%s", l->peer->text);
	stream_discard_input(l->io);
	r = stream_start_tls_server(l->io, l->tls);
	if (r < 0)
		return r;
	l->secured = true;
	return LOGIN_GO_ON;
}

static const struct command commands[] = {
	{ "CAPABILITY", login_command_capability },
	{ "NOOP", login_command_noop },
	{ "LOGOUT", login_command_logout },
	{ "ID", login_command_id },
	{ "STARTTLS", command_starttls },
	{ "LOGIN", login_command_login },
	{ "AUTHENTICATE", login_command_authenticate },
};

static int imap_login_command(struct login *l)
{
	struct view name;
	int r = imap_command_begin(l->parser);

	/* No client that means well sends such a line: it is not waited for. */
	if (r == -EMSGSIZE) {
		stream_printf(l->io, "* BYE %s.\r\n", imap_parser_problem(l->parser));
		return LOGIN_END;
	}
	if (r < 0)
		return login_syntax(l, r);
	name = imap_command_name(l->parser);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (view_is(name, commands[i].name))
			return commands[i].handle(l);
	r = login_reply(l, "BAD Unknown command, or log in first.");
	return r < 0 ? r : LOGIN_BAD;
}

/* A web browser, or somebody who uses one against us (ALPACA), is not talked to. */
static bool imap_looks_like_http(struct login *l)
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

static int imap_greet(struct login *l, bool wrapped)
{
	struct str names = STR_EMPTY;
	int r = 0;

	if (wrapped) {
		r = stream_start_tls_server(l->io, l->tls);
		if (r < 0)
			return r;
		l->secured = true;
	}
	login_capabilities(l, &names);
	r = stream_printf(l->io, "* OK [CAPABILITY %s] %s IMAP ready.\r\n", str_cstr(&names),
			  param.myhostname);
	str_free(&names);
	return r < 0 ? r : stream_flush(l->io);
}

/* Commands until the login, the end, or too many that were none. */
static int imap_login_converse(struct login *l)
{
	int r = LOGIN_GO_ON;

	while (r != LOGIN_END) {
		int skipped;

		r = imap_login_command(l);
		if (r < 0)
			return r;
		if (r != LOGIN_END && l->failures >= param.auth_failures_max) {
			stream_printf(l->io, "* BYE Too many failed logins.\r\n");
			return LOGIN_END;
		}
		if (r == LOGIN_BAD && ++l->bad_commands >= param.imap_login_bad_commands_max) {
			stream_printf(l->io, "* BYE Too many invalid commands.\r\n");
			return LOGIN_END;
		}
		skipped = r == LOGIN_END ? 0 : imap_command_skip(l->parser);
		if (skipped < 0)
			return skipped;
	}
	return 0;
}

static void imap_login_goodbye(struct login *l, int why)
{
	if (why == -ESHUTDOWN)
		stream_printf(l->io, "* BYE Server shutting down.\r\n");
	else if (why == -ETIMEDOUT)
		stream_printf(l->io, "* BYE Disconnected for inactivity.\r\n");
	stream_flush(l->io);
	if (why < 0 && why != -ENODATA)
		log_info("disconnected: rip=%s, secured=%s, user=<%s>: %s", l->peer->text,
			 l->secured ? "yes" : "no", str_cstr(&l->log_user),
			 why == -EPROTO ? stream_error(l->io) : strerror(-why));
}

void login_serve(struct stream *io, const struct peer *peer, struct tls_context *tls, bool wrapped)
{
	struct login l = { .io = io, .peer = peer, .tls = tls, .log_user = STR_EMPTY };
	struct imap_limits limits = { .line = (size_t)param.imap_login_line_max,
				      .command = (size_t)param.imap_login_line_max };
	int r;

	/* Not longer than this for anyone who has not logged in, however busy they look. */
	stream_set_timeout(io, param.imap_login_timeout);
	stream_set_deadline(io, clock_after(param.imap_login_timeout));
	l.parser = imap_parser_new(io, &limits);
	r = imap_greet(&l, wrapped);
	if (r == 0 && !imap_looks_like_http(&l))
		r = imap_login_converse(&l);
	imap_login_goodbye(&l, r);
	imap_parser_free(l.parser);
	str_free(&l.log_user);
}
