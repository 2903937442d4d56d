/*
 * POP3 before the login: USER and PASS (RFC 1939), CAPA (RFC 2449), STLS (RFC 2595) and AUTH
 * (RFC 5034).
 */
#include "login.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "conf/conf.h"
#include "language.h"
#include "services/clients.h"

/* How much longer than a session's own patience a relayed client is kept. */
#define RELAY_GRACE ((msec_t)60 * 1000)

/* The protocol's part of a login. */
struct pop3_login {
	bool has_user;
	struct str user; /* of USER */
};

struct command {
	const char *name;
	int (*handle)(struct login *l, struct pop3_login *own, struct view argument);
};

/* ---- answers ---- */

static int pop3_login_accept(struct login *l, const char *text)
{
	int r = stream_printf(l->io, "+OK%s\r\n", text);

	return r < 0 ? r : LOGIN_GO_ON;
}

static int pop3_login_refuse(struct login *l, const char *text)
{
	int r = stream_printf(l->io, "-ERR %s\r\n", text);

	return r < 0 ? r : LOGIN_BAD;
}

static int refuse_plaintext(struct login *l)
{
	return pop3_login_refuse(l, l->protocol->refusals[REFUSE_PRIVACY]);
}

/* ---- commands ---- */

static int command_capa(struct login *l, struct pop3_login *own, struct view argument)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, names = STR_EMPTY;

	(void)own;
	(void)argument;
	str_append_cstr(&text,
			"+OK Capability list follows\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\n"
			"PIPELINING\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\nUTF8\r\nLANG\r\n");
	if (login_offers_tls(l))
		str_append_cstr(&text, "STLS\r\n");
	if (login_may_send_password(l))
		str_append_cstr(&text, "USER\r\n");
	if (login_mechanisms(l, &names) == 0 && names.len > 0)
		str_printf(&text, "SASL %s\r\n", str_cstr(&names));
	str_append_cstr(&text, ".\r\n");

	int r = stream_write(l->io, str_view(&text));

	return r < 0 ? r : LOGIN_GO_ON;
}

static int command_quit(struct login *l, struct pop3_login *own, struct view argument)
{
	int r = pop3_login_accept(l, " Logging out");

	(void)own;
	(void)argument;
	return r < 0 ? r : LOGIN_END;
}

static int command_stls(struct login *l, struct pop3_login *own, struct view argument)
{
	int r;

	(void)argument;
	if (l->secured)
		return pop3_login_refuse(l, "TLS is already active.");
	if (!login_offers_tls(l))
		return pop3_login_refuse(l, "TLS is not available here.");
	r = pop3_login_accept(l, " Begin TLS negotiation now.");
	if (r == LOGIN_GO_ON)
		r = login_start_tls(l);
	/* RFC 2595 4: what was learnt before is forgotten. */
	own->has_user = false;
	return r;
}

static int command_user(struct login *l, struct pop3_login *own, struct view argument)
{
	if (!login_may_send_password(l))
		return refuse_plaintext(l);
	if (argument.len == 0)
		return pop3_login_refuse(l, "USER needs a name.");
	str_set(&own->user, argument);
	own->has_user = true;
	return pop3_login_accept(l, "");
}

/* The password is all that follows, spaces too. */
static int command_pass(struct login *l, struct pop3_login *own, struct view argument)
{
	if (!login_may_send_password(l))
		return refuse_plaintext(l);
	if (!own->has_user)
		return pop3_login_refuse(l, "USER comes first.");
	own->has_user = false;
	return login_password(l, str_view(&own->user), argument);
}

static int command_lang(struct login *l, struct pop3_login *own, struct view argument)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	bool known = language_answer(argument, &text);
	int r = stream_printf(l->io, "%s\r\n", str_cstr(&text));

	(void)own;
	return r < 0 ? r : known ? LOGIN_GO_ON : LOGIN_BAD;
}

/* RFC 6856 2: content goes to everybody as it is, so there is nothing to be remembered. */
static int command_utf8(struct login *l, struct pop3_login *own, struct view argument)
{
	(void)own;
	return view_trim(argument).len == 0 ? pop3_login_accept(l, " UTF8 enabled")
					    : pop3_login_refuse(l, "UTF8 has no argument.");
}

/* The mechanisms, one a line: what old clients ask for by AUTH alone. */
static int pop3_list_mechanisms(struct login *l)
{
	_cleanup_(str_free) struct str names = STR_EMPTY, text = STR_EMPTY;
	struct view rest, name;
	int r = login_mechanisms(l, &names);

	if (r < 0)
		return pop3_login_refuse(l, l->protocol->refusals[REFUSE_TEMPORARY]);
	str_append(&text, VIEW("+OK\r\n"));
	rest = str_view(&names);
	while (view_next_word(&rest, " ", &name))
		str_printf(&text, "%.*s\r\n", VIEW_ARG(name));
	str_append(&text, VIEW(".\r\n"));
	r = stream_write(l->io, str_view(&text));
	return r < 0 ? r : LOGIN_GO_ON;
}

static int command_auth(struct login *l, struct pop3_login *own, struct view argument)
{
	struct view rest = argument, mechanism, initial = VIEW_NONE;
	bool given;

	(void)own;
	if (!view_next_word(&rest, " ", &mechanism))
		return pop3_list_mechanisms(l);
	given = view_next_word(&rest, " ", &initial);
	return login_authenticate(l, mechanism, given, initial);
}

static const struct command commands[] = {
	{ "CAPA", command_capa }, { "USER", command_user }, { "PASS", command_pass },
	{ "AUTH", command_auth }, { "STLS", command_stls }, { "QUIT", command_quit },
	{ "LANG", command_lang }, { "UTF8", command_utf8 },
};

static int pop3_login_command(struct login *l)
{
	struct view line, name;
	char text[64];
	int r = stream_read_line(l->io, &line, POP3_LINE_MAX);

	if (r == -EMSGSIZE) {
		snprintf(text, sizeof(text), "Line is longer than %d octets.", POP3_LINE_MAX);
		return pop3_login_refuse(l, text);
	}
	if (r < 0)
		return r;
	name = view_first(line, view_find_byte(line, ' '));
	line = view_from(line, MIN(name.len + 1, line.len));
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (view_is_nocase(name, commands[i].name))
			return commands[i].handle(l, l->own, line);
	return pop3_login_refuse(l, "Unknown command, or log in first.");
}

/* ---- the protocol ---- */

static int pop3_login_greet(struct login *l)
{
	int r = stream_printf(l->io, "+OK %s POP3 ready.\r\n", param.myhostname);

	return r < 0 ? r : 0;
}

static int pop3_read_response(struct login *l, struct view *line)
{
	return stream_read_line(l->io, line, POP3_SASL_LINE_MAX);
}

static bool pop3_tls_comes_first(void)
{
	return param.pop3d_tls_wrappermode;
}

static msec_t pop3_login_time(void)
{
	return param.pop3_login_timeout;
}

static msec_t pop3_relay_time(void)
{
	return param.pop3_timeout + RELAY_GRACE;
}

static int64_t pop3_login_bad_max(void)
{
	return param.pop3_bad_commands_max;
}

const struct login_protocol pop3_login_protocol = {
	.service = "pop3",
	.session_service = "private/pop3d-session",
	.alpn = "pop3",
	.refusals = {
		[REFUSE_WRONG] = "[AUTH] Authentication failed.",
		[REFUSE_DISABLED] = "[SYS/PERM] This account may not log in.",
		[REFUSE_TEMPORARY] = "[SYS/TEMP] Temporary authentication failure.",
		[REFUSE_UNAVAILABLE] = "[SYS/TEMP] ",
		[REFUSE_MECHANISM] = "Unsupported authentication mechanism.",
		[REFUSE_PROTOCOL] = "Invalid authentication exchange.",
		[REFUSE_BASE64] = "Invalid base64, or line too long.",
		[REFUSE_CANCELLED] = "Authentication cancelled.",
		[REFUSE_PRIVACY] = "[AUTH] Start TLS (STLS) before you log in.",
	},
	.ends = {
		[END_SHUTDOWN] = "-ERR [SYS/TEMP] Server shutting down.",
		[END_IDLE] = "-ERR Disconnected for inactivity.",
		[END_FAILURES] = "-ERR Too many failed logins.",
		[END_BAD_COMMANDS] = "-ERR Too many invalid commands.",
		[END_CROWD] = "-ERR [SYS/TEMP] Too many connections that have not logged in.",
	},
	.tls_comes_first = pop3_tls_comes_first,
	.timeout = pop3_login_time,
	.relay_timeout = pop3_relay_time,
	.bad_commands_max = pop3_login_bad_max,
	.greet = pop3_login_greet,
	.command = pop3_login_command,
	.read_response = pop3_read_response,
	.refuse = pop3_login_refuse,
};

void pop3_login_serve(struct stream *io, const struct peer *peer)
{
	struct pop3_login own = { .has_user = false };

	login_serve(io, peer, &pop3_login_protocol, &own);
	str_free(&own.user);
}
