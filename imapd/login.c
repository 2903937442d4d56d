/*
 * IMAP before the login: the commands of RFC 3501 that are allowed then, with SASL-IR (RFC 4959)
 * and ID (RFC 2971).
 */
#include "login.h"

#include <errno.h>
#include <stdarg.h>

#include "base/log.h"
#include "conf/conf.h"
#include "imap/parser.h"
#include "services/clients.h"

/* How much longer than a session's own patience a relayed client is kept. */
#define RELAY_GRACE ((msec_t)60 * 1000)

struct command {
	const char *name;
	int (*handle)(struct login *l, struct imap_parser *parser);
};

/* ---- answers ---- */

/* "tag TEXT": the tagged answer to the present command. What is answered with BAD counts as a bad command. */
static int imap_login_reply(struct login *l, const char *text)
{
	struct view tag = imap_command_tag(l->own);
	/* A line whose tag could not be read is answered untagged. */
	int r = stream_printf(l->io, "%.*s %s\r\n", tag.len > 0 ? (int)tag.len : 1,
			      tag.len > 0 ? tag.data : "*", text);

	if (r < 0)
		return r;
	return view_starts(view_of(text), VIEW("BAD ")) ? LOGIN_BAD : LOGIN_GO_ON;
}

/*
 * BAD with the parser's problem, or the stream's error handed on. What is too large is not waited for: no
 * client that means well sends such a thing.
 */
static int imap_login_syntax(struct login *l, int r)
{
	if (r == -EMSGSIZE) {
		stream_printf(l->io, "* BYE %s.\r\n", imap_parser_problem(l->own));
		return LOGIN_END;
	}
	if (r != -EBADMSG)
		return r;

	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "BAD %s.", imap_parser_problem(l->own));
	return imap_login_reply(l, str_cstr(&text));
}

static void imap_login_capabilities(const struct login *l, struct str *out)
{
	_cleanup_(str_free) struct str names = STR_EMPTY;
	struct view rest, name;

	str_append_cstr(out, "IMAP4rev1 IMAP4rev2 SASL-IR LITERAL+ ID ENABLE IDLE");
	if (login_offers_tls(l))
		str_append_cstr(out, " STARTTLS");
	if (login_mechanisms(l, &names) == 0) {
		rest = str_view(&names);
		while (view_next_word(&rest, " ", &name))
			str_printf(out, " AUTH=%.*s", VIEW_ARG(name));
	}
	if (!login_may_send_password(l))
		str_append_cstr(out, " LOGINDISABLED");
}

/* ---- commands ---- */

static int command_capability(struct login *l, struct imap_parser *parser)
{
	_cleanup_(str_free) struct str names = STR_EMPTY;
	int r = imap_end(parser);

	if (r < 0)
		return imap_login_syntax(l, r);
	imap_login_capabilities(l, &names);
	r = stream_printf(l->io, "* CAPABILITY %s\r\n", str_cstr(&names));
	return r < 0 ? r : imap_login_reply(l, "OK Capability completed.");
}

static int command_noop(struct login *l, struct imap_parser *parser)
{
	int r = imap_end(parser);

	return r < 0 ? imap_login_syntax(l, r) : imap_login_reply(l, "OK NOOP completed.");
}

static int command_logout(struct login *l, struct imap_parser *parser)
{
	int r = imap_end(parser);

	if (r < 0)
		return imap_login_syntax(l, r);
	r = stream_printf(l->io, "* BYE Logging out\r\n");
	if (r == 0)
		r = imap_login_reply(l, "OK Logout completed.");
	return r < 0 ? r : LOGIN_END;
}

/*
 * RFC 2971. Clients send all sorts of things (Outlook sends it first of all, `ID ()`, `ID ("NIL")`);
 * none of it matters to us, so whatever stands there is skipped and answered well.
 */
static int command_id(struct login *l, struct imap_parser *parser)
{
	int r = imap_skip_id(parser);

	if (r < 0)
		return imap_login_syntax(l, r);
	r = stream_printf(l->io, "* ID (\"name\" \"%s\")\r\n", param.mail_name);
	return r < 0 ? r : imap_login_reply(l, "OK ID completed.");
}

static int command_starttls(struct login *l, struct imap_parser *parser)
{
	int r = imap_end(parser);

	if (r < 0)
		return imap_login_syntax(l, r);
	if (l->secured)
		return imap_login_reply(l, "BAD TLS is already active.");
	if (!login_offers_tls(l))
		return imap_login_reply(l, "BAD TLS is not available here.");
	r = imap_login_reply(l, "OK Begin TLS negotiation now.");
	return r < 0 ? r : login_start_tls(l);
}

static int command_login(struct login *l, struct imap_parser *parser)
{
	struct view user, password;
	int r = imap_space(parser);

	if (r == 0)
		r = imap_astring(parser, &user);
	if (r == 0)
		r = imap_space(parser);
	if (r == 0)
		r = imap_astring(parser, &password);
	if (r == 0)
		r = imap_end(parser);
	return r < 0 ? imap_login_syntax(l, r) : login_password(l, user, password);
}

/* The initial response: "=" is an empty one. */
static int imap_initial_response(struct imap_parser *parser, struct view *text, bool *given)
{
	int r;

	*given = false;
	if (imap_at_end(parser))
		return imap_end(parser);
	r = imap_space(parser);
	*text = VIEW("=");
	if (r == 0 && !imap_take(parser, '='))
		r = imap_astring(parser, text);
	*given = true;
	return r == 0 ? imap_end(parser) : r;
}

static int command_authenticate(struct login *l, struct imap_parser *parser)
{
	struct view mechanism, initial = VIEW_NONE;
	bool given = false;
	int r = imap_space(parser);

	if (r == 0)
		r = imap_atom(parser, &mechanism);
	if (r == 0)
		r = imap_initial_response(parser, &initial, &given);
	return r < 0 ? imap_login_syntax(l, r) : login_authenticate(l, mechanism, given, initial);
}

static const struct command commands[] = {
	{ "CAPABILITY", command_capability },
	{ "NOOP", command_noop },
	{ "LOGOUT", command_logout },
	{ "ID", command_id },
	{ "STARTTLS", command_starttls },
	{ "LOGIN", command_login },
	{ "AUTHENTICATE", command_authenticate },
};

static int imap_login_dispatch(struct login *l)
{
	struct imap_parser *parser = l->own;
	struct view name;
	int r = imap_command_begin(parser);

	name = imap_command_name(parser);
	/* A client may say much of itself; the rest of that line is passed over. */
	if (r == -EMSGSIZE && view_is(name, "ID"))
		return command_id(l, parser);
	if (r < 0)
		return imap_login_syntax(l, r);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (view_is(name, commands[i].name))
			return commands[i].handle(l, parser);
	return imap_login_reply(l, "BAD Unknown command, or log in first.");
}

static int imap_login_command(struct login *l)
{
	int r = imap_login_dispatch(l);
	int skipped = r < 0 || r == LOGIN_END ? 0 : imap_command_skip(l->own);

	return skipped < 0 ? skipped : r;
}

/* ---- the protocol ---- */

static int imap_login_greet(struct login *l)
{
	_cleanup_(str_free) struct str names = STR_EMPTY;
	int r;

	imap_login_capabilities(l, &names);
	r = stream_printf(l->io, "* OK [CAPABILITY %s] %s IMAP ready.\r\n", str_cstr(&names),
			  param.myhostname);
	return r < 0 ? r : 0;
}

static int imap_read_response(struct login *l, struct view *line)
{
	return imap_parser_line(l->own, line);
}

static struct view imap_login_tag(struct login *l)
{
	return imap_command_tag(l->own);
}

static bool imap_tls_comes_first(void)
{
	return param.imapd_tls_wrappermode;
}

static msec_t imap_login_time(void)
{
	return param.imap_login_timeout;
}

static msec_t imap_relay_time(void)
{
	return param.imap_idle_timeout + RELAY_GRACE;
}

static int64_t imap_login_bad_max(void)
{
	return param.imap_login_bad_commands_max;
}

const struct login_protocol imap_login_protocol = {
	.service = "imap",
	.session_service = "private/imapd-session",
	.alpn = "imap",
	.refusals = {
		[REFUSE_WRONG] = "NO [AUTHENTICATIONFAILED] Authentication failed.",
		[REFUSE_DISABLED] = "NO [AUTHORIZATIONFAILED] This account may not log in.",
		[REFUSE_TEMPORARY] = "NO [UNAVAILABLE] Temporary authentication failure.",
		[REFUSE_UNAVAILABLE] = "NO [UNAVAILABLE] ",
		[REFUSE_MECHANISM] = "NO [CANNOT] Unsupported authentication mechanism.",
		[REFUSE_PROTOCOL] = "BAD Invalid authentication exchange.",
		[REFUSE_BASE64] = "BAD Invalid base64 or line too long.",
		[REFUSE_CANCELLED] = "BAD Authentication cancelled.",
		[REFUSE_PRIVACY] = "NO [PRIVACYREQUIRED] Start TLS before you log in.",
	},
	.ends = {
		[END_SHUTDOWN] = "* BYE Server shutting down.",
		[END_IDLE] = "* BYE Disconnected for inactivity.",
		[END_FAILURES] = "* BYE Too many failed logins.",
		[END_BAD_COMMANDS] = "* BYE Too many invalid commands.",
		[END_CROWD] = "* BYE Too many connections that have not logged in.",
	},
	.tls_comes_first = imap_tls_comes_first,
	.timeout = imap_login_time,
	.relay_timeout = imap_relay_time,
	.bad_commands_max = imap_login_bad_max,
	.greet = imap_login_greet,
	.command = imap_login_command,
	.read_response = imap_read_response,
	.refuse = imap_login_reply,
	.tag = imap_login_tag,
};

void imap_login_serve(struct stream *io, const struct peer *peer)
{
	struct imap_limits limits = { .line = (size_t)param.imap_login_line_max,
				      .command = (size_t)param.imap_login_line_max };
	struct imap_parser *parser = imap_parser_new(io, &limits);

	login_serve(io, peer, &imap_login_protocol, parser);
	imap_parser_free(parser);
}
