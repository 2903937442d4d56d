/*
 * XFORWARD and XCLIENT, Postfix's extensions: what a content filter or a proxy in front of us says
 * of the client that it had itself. XFORWARD is for the log and for what follows the queue; XCLIENT
 * takes that client's place, with all that it may and may not.
 */
#include <errno.h>
#include <stdio.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "server.h"
#include "services/milter.h"
#include "session.h"

#define VALUE_MAX 255 /* octets of an attribute's value, as Postfix allows */

/* What one command said. */
struct attributes {
	struct session *s;
	struct str name, reverse_name, address, helo, protocol, ident, login, server_address;
	uint16_t port, server_port;
	enum forwarded_source source;
	bool hides_address; /* ADDR=[UNAVAILABLE] */
};

static void attributes_free(struct attributes *a)
{
	str_free(&a->name);
	str_free(&a->reverse_name);
	str_free(&a->address);
	str_free(&a->helo);
	str_free(&a->protocol);
	str_free(&a->ident);
	str_free(&a->login);
	str_free(&a->server_address);
}

static bool is_unavailable(struct view value)
{
	return view_is_nocase(value, "[UNAVAILABLE]") || view_is_nocase(value, "[TEMPUNAVAIL]");
}

static bool forward_take_host(struct str *out, struct view value)
{
	if (is_unavailable(value))
		value = VIEW("unknown");
	str_set(out, value);
	return view_is(value, "unknown") || domain_is_valid(value, false);
}

static bool forward_take_address(struct str *out, struct view value)
{
	if (view_starts_nocase(value, VIEW("IPV6:")))
		value = view_from(value, 5);
	if (is_unavailable(value)) {
		str_clear(out);
		return true;
	}
	str_set(out, value);
	return ip_family(value) != 0;
}

static bool forward_take_text(struct str *out, struct view value)
{
	str_clear(out);
	if (!is_unavailable(value))
		str_append_printable(out, value);
	return true;
}

static bool forward_take_port(uint16_t *out, struct view value)
{
	uint32_t port = 0;

	if (!is_unavailable(value) && view_parse_u32(value, UINT16_MAX, &port) < 0)
		return false;
	*out = (uint16_t)port;
	return true;
}

static bool forward_name(struct attributes *a, struct view value)
{
	return forward_take_host(&a->name, value);
}

static bool forward_reverse_name(struct attributes *a, struct view value)
{
	return forward_take_host(&a->reverse_name, value);
}

static bool forward_address(struct attributes *a, struct view value)
{
	a->hides_address = is_unavailable(value);
	return forward_take_address(&a->address, value);
}

static bool forward_server_address(struct attributes *a, struct view value)
{
	return forward_take_address(&a->server_address, value);
}

static bool forward_port(struct attributes *a, struct view value)
{
	return forward_take_port(&a->port, value);
}

static bool forward_server_port(struct attributes *a, struct view value)
{
	return forward_take_port(&a->server_port, value);
}

static bool forward_helo(struct attributes *a, struct view value)
{
	return forward_take_text(&a->helo, value);
}

static bool forward_protocol(struct attributes *a, struct view value)
{
	return forward_take_text(&a->protocol, view_first(value, IPC_STATUS_MAX - 1));
}

static bool forward_ident(struct attributes *a, struct view value)
{
	return forward_take_text(&a->ident, value);
}

static bool forward_login(struct attributes *a, struct view value)
{
	return forward_take_text(&a->login, value);
}

static bool forward_source(struct attributes *a, struct view value)
{
	if (view_is_nocase(value, "LOCAL"))
		a->source = SOURCE_LOCAL;
	else if (view_is_nocase(value, "REMOTE"))
		a->source = SOURCE_REMOTE;
	else
		return is_unavailable(value);
	return true;
}

enum { FOR_XFORWARD = 1, FOR_XCLIENT = 2 };
static const struct attribute {
	const char *name;
	unsigned commands;
	bool (*take)(struct attributes *a, struct view value);
} table[] = {
	{ "NAME", FOR_XFORWARD | FOR_XCLIENT, forward_name },
	{ "ADDR", FOR_XFORWARD | FOR_XCLIENT, forward_address },
	{ "PORT", FOR_XFORWARD | FOR_XCLIENT, forward_port },
	{ "PROTO", FOR_XFORWARD | FOR_XCLIENT, forward_protocol },
	{ "HELO", FOR_XFORWARD | FOR_XCLIENT, forward_helo },
	{ "IDENT", FOR_XFORWARD, forward_ident },
	{ "SOURCE", FOR_XFORWARD, forward_source },
	{ "LOGIN", FOR_XCLIENT, forward_login },
	{ "REVERSE_NAME", FOR_XCLIENT, forward_reverse_name },
	{ "DESTADDR", FOR_XCLIENT, forward_server_address },
	{ "DESTPORT", FOR_XCLIENT, forward_server_port },
};

static void forward_announce(unsigned command, const char *verb, struct str *line)
{
	str_append_cstr(line, verb);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].commands & command)
			str_printf(line, " %s", table[i].name);
}

void xforward_announce(const struct session *s, struct str *line)
{
	if (s->may_xforward)
		forward_announce(FOR_XFORWARD, "XFORWARD", line);
}

void xclient_announce(const struct session *s, struct str *line)
{
	if (s->may_xclient)
		forward_announce(FOR_XCLIENT, "XCLIENT", line);
}

static bool forward_read(struct attributes *a, struct view word, unsigned command)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	size_t equals = view_find_byte(word, '=');

	if (equals == VIEW_NOT_FOUND || xtext_decode(&value, view_from(word, equals + 1)) < 0 ||
	    value.len == 0 || value.len > VALUE_MAX)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (!(table[i].commands & command) ||
		    !view_is_nocase(view_first(word, equals), table[i].name))
			continue;
		return table[i].take(a, str_view(&value));
	}
	return false;
}

/* Reads the whole command. True if all of it is in order, else it has been answered. */
static bool attributes_read(struct attributes *a, struct view argument, unsigned command,
			    const char *verb, int *result)
{
	struct session *s = a->s;
	bool allowed = command == FOR_XCLIENT ? s->may_xclient : s->may_xforward;
	struct view rest = argument, word;

	*result = SESSION_GOES_ON;
	if (s->state & (STATE_MAIL | STATE_RCPT | STATE_CHUNKS))
		*result = reply(s, "503 5.5.1 Error: MAIL transaction in progress");
	else if (!allowed)
		*result = reply(s, "550 5.7.0 Error: insufficient authorization");
	else if (argument.len == 0)
		*result = reply(s, "501 5.5.4 Syntax: %s attribute=value...", verb);
	else {
		while (view_next_word(&rest, " \t", &word))
			if (!forward_read(a, word, command)) {
				*result = reply(s, "501 5.5.4 Bad %s attribute", verb);
				return false;
			}
		return true;
	}
	return false;
}

int verb_xforward(struct session *s, struct view argument)
{
	_cleanup_(attributes_free) struct attributes a = { .s = s };
	struct forwarded *f = &s->forwarded;
	int r;

	if (!attributes_read(&a, argument, FOR_XFORWARD, "XFORWARD", &r))
		return r;
	/* Several commands may bring the attributes; what none of them brings is unknown. */
	f->given = true;
	if (a.name.len > 0)
		str_set(&f->name, str_view(&a.name));
	if (a.address.len > 0)
		str_set(&f->address, str_view(&a.address));
	if (a.helo.len > 0)
		str_set(&f->helo, str_view(&a.helo));
	if (a.protocol.len > 0)
		str_set(&f->protocol, str_view(&a.protocol));
	if (a.ident.len > 0)
		str_set(&f->ident, str_view(&a.ident));
	if (a.port > 0)
		f->port = a.port;
	if (a.source != SOURCE_UNKNOWN)
		f->source = a.source;
	return reply(s, "250 2.0.0 Ok");
}

/* The session is from now on that of the other client. */
static void client_replace(struct session *s, const struct attributes *a)
{
	struct peer *peer = &s->other_peer;

	if (s->peer != peer)
		*peer = *s->peer;
	s->peer = peer;
	/* Not known is not the proxy's own: that one may do what this client may not. */
	if (a->address.len > 0 || a->hides_address)
		snprintf(peer->text, sizeof(peer->text), "%s",
			 a->hides_address ? "unknown" : str_cstr(&a->address));
	if (a->server_address.len > 0)
		snprintf(peer->server_text, sizeof(peer->server_text), "%s",
			 str_cstr(&a->server_address));
	if (a->port > 0)
		peer->port = a->port;
	if (a->server_port > 0)
		peer->server_port = a->server_port;
	if (a->name.len > 0) {
		str_set(&s->name, str_view(&a->name));
		s->name_temporary = false;
		str_set(&s->reverse_name, str_view(&a->name));
	}
	if (a->reverse_name.len > 0)
		str_set(&s->reverse_name, str_view(&a->reverse_name));
	if (a->login.len > 0) {
		str_set(&s->login, str_view(&a->login));
		str_set(&s->sasl_method, VIEW("xclient"));
	}
	session_show_client(s, str_view(&s->name));
}

int verb_xclient(struct session *s, struct view argument)
{
	_cleanup_(attributes_free) struct attributes a = { .s = s };
	int r;

	if (!attributes_read(&a, argument, FOR_XCLIENT, "XCLIENT", &r))
		return r;
	limit_disconnect(s);
	s->counted = false;
	str_clear(&s->network);
	str_clear(&s->login);
	str_clear(&s->sasl_method);
	transaction_reset(s);
	forwarded_clear(s);
	milters_end(TAKE(s->milters));
	str_clear(&s->milter_refusal);
	/* The certificate that was shown is the proxy's. */
	tls_certificate_free(&s->certificate);
	s->certificate = (struct tls_certificate){ 0 };
	client_replace(s, &a);
	s->state = STATE_NEW;
	s->esmtp = view_starts_nocase(str_view(&a.protocol), VIEW("ESMTP"));
	str_set(&s->helo, str_view(&a.helo));
	s->access_denied = false;
	log_info("client=%s by XCLIENT", str_cstr(&s->who));
	return session_greet_as(s);
}
