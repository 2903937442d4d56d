/*
 * ManageSieve before the login (RFC 5804): AUTHENTICATE, STARTTLS, CAPABILITY, NOOP and LOGOUT. A
 * mechanism's last word goes along with the OK of the session program.
 */
#include "login.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "capability.h"
#include "conf/conf.h"
#include "ipc/ipc.h"
#include "parser.h"
#include "services/clients.h"

/* How much longer than a session's own patience a relayed client is kept. */
#define RELAY_GRACE   ((msec_t)60 * 1000)
#define MECHANISM_MAX 64

/* The protocol's part of a login. */
struct managesieve_login {
	struct managesieve_parser parser;
	struct str response;  /* of a SASL exchange: a secret */
	struct str last_word; /* of the mechanism, in base64 */
};

struct command {
	const char *name;
	int (*handle)(struct login *l, struct managesieve_login *own);
};

/* ---- answers ---- */

static int managesieve_login_accept(struct login *l, const char *text)
{
	int r = managesieve_answer(l->io, "OK", NULL, view_of(text));

	return r < 0 ? r : LOGIN_GO_ON;
}

/* "(CODE) text" or "text". */
static int managesieve_login_refuse(struct login *l, const char *text)
{
	struct view all = view_of(text);
	size_t end = all.data[0] == '(' ? view_find_byte(all, ')') : VIEW_NOT_FOUND;
	_cleanup_free_ char *code = NULL;
	int r;

	if (end != VIEW_NOT_FOUND) {
		code = mem_strndup(all.data + 1, end - 1);
		all = view_trim(view_from(all, end + 1));
	}
	r = managesieve_answer(l->io, "NO", code, all);
	return r < 0 ? r : LOGIN_BAD;
}

/* What is wrong with the command; what is too large ends the connection. */
static int managesieve_login_syntax(struct login *l, int r)
{
	struct managesieve_login *own = l->own;

	if (r == -EMSGSIZE) {
		(void)managesieve_answer(l->io, "BYE", NULL, view_of(own->parser.problem));
		return LOGIN_END;
	}
	return r == -EBADMSG || r == -EFBIG ? managesieve_login_refuse(l, own->parser.problem) : r;
}

/* ---- commands ---- */

static int managesieve_login_capabilities(struct login *l, const char *text)
{
	_cleanup_(str_free) struct str names = STR_EMPTY, lines = STR_EMPTY;
	int r;

	if (login_mechanisms(l, &names) < 0)
		str_clear(&names);
	managesieve_capabilities(&lines, str_view(&names), login_offers_tls(l), VIEW_NONE);
	r = stream_write(l->io, str_view(&lines));
	return r < 0 ? r : managesieve_login_accept(l, text);
}

static int managesieve_login_capability(struct login *l, struct managesieve_login *own)
{
	int r = managesieve_end(&own->parser);

	return r < 0 ? managesieve_login_syntax(l, r)
		     : managesieve_login_capabilities(l, "Capability completed.");
}

static int managesieve_login_logout(struct login *l, struct managesieve_login *own)
{
	int r = managesieve_end(&own->parser);

	if (r < 0)
		return managesieve_login_syntax(l, r);
	r = managesieve_login_accept(l, "Logging out.");
	return r < 0 ? r : LOGIN_END;
}

static int managesieve_login_noop(struct login *l, struct managesieve_login *own)
{
	_cleanup_(str_free) struct str tag = STR_EMPTY;
	int r = 0;

	if (!managesieve_at_end(&own->parser))
		r = managesieve_string(&own->parser, MANAGESIEVE_TAG_MAX, &tag);
	if (r == 0)
		r = managesieve_end(&own->parser);
	if (r < 0)
		return managesieve_login_syntax(l, r);
	r = managesieve_answer_noop(l->io, str_view(&tag));
	return r < 0 ? r : LOGIN_GO_ON;
}

static int managesieve_login_starttls(struct login *l, struct managesieve_login *own)
{
	int r = managesieve_end(&own->parser);

	if (r < 0)
		return managesieve_login_syntax(l, r);
	if (l->secured)
		return managesieve_login_refuse(l, "TLS is already active.");
	if (!login_offers_tls(l))
		return managesieve_login_refuse(l, "TLS is not available here.");
	r = managesieve_login_accept(l, "Begin TLS negotiation now.");
	if (r == LOGIN_GO_ON)
		r = login_start_tls(l);
	/* RFC 5804, 2.2: the client has to know what holds under TLS. */
	return r < 0 ? r : managesieve_login_capabilities(l, "TLS negotiation successful.");
}

static int managesieve_login_authenticate(struct login *l, struct managesieve_login *own)
{
	_cleanup_(str_free) struct str mechanism = STR_EMPTY;
	bool given = false;
	int r = managesieve_string(&own->parser, MECHANISM_MAX, &mechanism);

	str_wipe(&own->response);
	str_clear(&own->last_word);
	if (r == 0 && !managesieve_at_end(&own->parser)) {
		given = true;
		r = managesieve_string(&own->parser, MANAGESIEVE_SASL_MAX, &own->response);
	}
	if (r == 0)
		r = managesieve_end(&own->parser);
	if (r < 0)
		return managesieve_login_syntax(l, r);
	/* An empty response is an empty string here, and "=" in lib/login. */
	r = login_authenticate(l, str_view(&mechanism), given,
			       own->response.len > 0 ? str_view(&own->response) : VIEW("="));
	str_wipe(&own->response);
	return r;
}

static const struct command commands[] = {
	{ "AUTHENTICATE", managesieve_login_authenticate },
	{ "STARTTLS", managesieve_login_starttls },
	{ "CAPABILITY", managesieve_login_capability },
	{ "LOGOUT", managesieve_login_logout },
	{ "NOOP", managesieve_login_noop },
};

static int managesieve_login_dispatch(struct login *l)
{
	struct managesieve_login *own = l->own;
	int r = managesieve_begin(&own->parser);

	if (r < 0)
		return managesieve_login_syntax(l, r);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (view_is_nocase(own->parser.name, commands[i].name))
			return commands[i].handle(l, own);
	return managesieve_login_refuse(l, "Unknown command, or log in first.");
}

static int managesieve_login_command(struct login *l)
{
	struct managesieve_login *own = l->own;
	int r = managesieve_login_dispatch(l);
	int skipped = r < 0 || r == LOGIN_END ? 0 : managesieve_skip(&own->parser);

	return skipped < 0 ? managesieve_login_syntax(l, skipped) : r;
}

/* ---- SASL ---- */

static int managesieve_challenge(struct login *l, struct view base64)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	managesieve_append_string(&line, base64);
	str_append(&line, VIEW("\r\n"));
	return stream_write(l->io, str_view(&line));
}

static int managesieve_read_response(struct login *l, struct view *text)
{
	struct managesieve_login *own = l->own;
	int r = managesieve_string_line(&own->parser, MANAGESIEVE_SASL_MAX, &own->response);

	*text = str_view(&own->response);
	if (r == -EMSGSIZE) {
		/* What follows may be a literal's bytes. */
		(void)managesieve_answer(l->io, "BYE", NULL, view_of(own->parser.problem));
		return -ECONNABORTED;
	}
	return r == -EFBIG ? -EBADMSG : r;
}

static bool managesieve_last_word(struct login *l, struct view base64)
{
	struct managesieve_login *own = l->own;

	if (base64.len > IPC_TAG_MAX)
		return false;
	str_set(&own->last_word, base64);
	return true;
}

static struct view managesieve_login_tag(struct login *l)
{
	struct managesieve_login *own = l->own;

	return str_view(&own->last_word);
}

/* ---- the protocol ---- */

static int managesieve_login_greet(struct login *l)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int r;

	str_printf(&text, "%s ManageSieve ready.", param.myhostname);
	r = managesieve_login_capabilities(l, str_cstr(&text));
	return r < 0 ? r : 0;
}

/* RFC 5804 has no port of its own for TLS from the first byte. */
static bool managesieve_tls_comes_first(void)
{
	return false;
}

static msec_t managesieve_login_time(void)
{
	return param.managesieve_login_timeout;
}

static msec_t managesieve_relay_time(void)
{
	return param.managesieve_timeout + RELAY_GRACE;
}

static int64_t managesieve_login_bad_max(void)
{
	return param.managesieve_bad_commands_max;
}

const struct login_protocol managesieve_login_protocol = {
	.service = "sieve",
	.session_service = "private/managesieved-session",
	.alpn = "managesieve",
	.refusals = {
		[REFUSE_WRONG] = "Authentication failed.",
		[REFUSE_DISABLED] = "This account may not log in.",
		[REFUSE_TEMPORARY] = "(TRYLATER) Temporary authentication failure.",
		[REFUSE_UNAVAILABLE] = "(TRYLATER) ",
		[REFUSE_MECHANISM] = "Unsupported authentication mechanism.",
		[REFUSE_PROTOCOL] = "Invalid authentication exchange.",
		[REFUSE_BASE64] = "Invalid base64, or string too long.",
		[REFUSE_CANCELLED] = "Authentication cancelled.",
		[REFUSE_PRIVACY] = "(ENCRYPT-NEEDED) Start TLS before you log in.",
	},
	.ends = {
		[END_SHUTDOWN] = "BYE (TRYLATER) \"Server shutting down.\"",
		[END_IDLE] = "BYE \"Disconnected for inactivity.\"",
		[END_FAILURES] = "BYE \"Too many failed logins.\"",
		[END_BAD_COMMANDS] = "BYE \"Too many invalid commands.\"",
		[END_CROWD] = "BYE (TRYLATER) \"Too many connections that have not logged in.\"",
	},
	.tls_comes_first = managesieve_tls_comes_first,
	.timeout = managesieve_login_time,
	.relay_timeout = managesieve_relay_time,
	.bad_commands_max = managesieve_login_bad_max,
	.greet = managesieve_login_greet,
	.command = managesieve_login_command,
	.challenge = managesieve_challenge,
	.read_response = managesieve_read_response,
	.last_word = managesieve_last_word,
	.refuse = managesieve_login_refuse,
	.tag = managesieve_login_tag,
};

void managesieve_login_serve(struct stream *io, const struct peer *peer)
{
	struct managesieve_login own = { .parser = { .io = io } };

	login_serve(io, peer, &managesieve_login_protocol, &own);
	managesieve_parser_end(&own.parser);
	str_wipe(&own.response);
	str_free(&own.last_word);
}
