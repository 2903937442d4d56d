/*
 * What milters say about a client and its commands, after our own rules have let it pass. They are
 * asked by the program filter; here is decided what the client hears.
 */
#include "services/milter.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "server.h"
#include "session.h"

static struct {
	struct milter_list list; /* smtpd_milters */
	struct tables *maps;	 /* smtpd_milter_maps */
} milters;

int smtpd_milters_open(struct error *err)
{
	milters.maps =
		tables_open(conf_overrides("no_milters") ? "" : param.smtpd_milter_maps, 0, err);
	if (milters.maps == NULL) {
		error_prefix(err, "smtpd_milter_maps");
		return -EINVAL;
	}
	if (milter_list_parse(view_of(conf_overrides("no_milters") ? "" : param.smtpd_milters),
			      &milters.list, err) == 0)
		return 0;
	error_prefix(err, "smtpd_milters");
	return -EINVAL;
}

void smtpd_milters_close(void)
{
	milter_list_free(&milters.list);
	tables_close(milters.maps);
	milters.maps = NULL;
}

/* ---- what they are told ---- */

static void macro_number(struct session *s, const char *name, unsigned number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	milters_macro(s->milters, name, view_of(text));
}

/* As Sendmail writes addresses in macros. */
static void macro_address(struct session *s, const char *name, const char *address)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	str_printf(&text, "%s%s", ip_family(view_of(address)) == 6 ? "IPv6:" : "", address);
	milters_macro(s->milters, name, str_view(&text));
}

static bool name_is_known(const struct str *name)
{
	return !view_is(str_view(name), "unknown");
}

/* OK, FAIL (no PTR), FORGED (a PTR that the address does not bear out), TEMP. */
static const char *client_resolves(const struct session *s)
{
	if (name_is_known(&s->name))
		return "OK";
	return s->name_temporary ? "TEMP" : name_is_known(&s->reverse_name) ? "FORGED" : "FAIL";
}

static void macros_of_client(struct session *s)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;

	macro_address(s, "daemon_addr", s->peer->server_text);
	macro_number(s, "daemon_port", s->peer->server_port);
	macro_address(s, "client_addr", s->peer->text);
	macro_number(s, "client_port", s->peer->port);
	if (s->connections > 0)
		macro_number(s, "client_connections", s->connections);
	milters_macro(s->milters, "client_name", str_view(&s->name));
	milters_macro(s->milters, "client_ptr", str_view(&s->reverse_name));
	milters_macro(s->milters, "client_resolve", view_of(client_resolves(s)));
	str_printf(&text, "%s [%s]%s", str_cstr(&s->reverse_name), s->peer->text,
		   !name_is_known(&s->name) && name_is_known(&s->reverse_name) ? " (may be forged)"
									       : "");
	milters_macro(s->milters, "_", str_view(&text));
}

static void macros_of_tls(struct session *s)
{
	if (!s->secured || !stream_tls_info(s->io, &s->tls))
		return;
	milters_macro(s->milters, "tls_version", view_of(s->tls.protocol));
	milters_macro(s->milters, "cipher", view_of(s->tls.cipher));
	macro_number(s, "cipher_bits", (unsigned)MAX(s->tls.cipher_bits, 0));
}

/*
 * Where it would go: {mail_host} and {mail_mailer}, {rcpt_host} and {rcpt_mailer}; empty where no
 * table can say that now.
 */
static void macros_of_address(struct session *s, const char *const names[static 3],
			      struct view address)
{
	struct route route = { .transport = STR_EMPTY };

	milters_macro_known(s->milters, names[0], address);
	if (address.len > 0 && route_resolve(server.routes, str_view(&s->transaction.sender),
					     address, &route, NULL) >= 0) {
		milters_macro_known(s->milters, names[1], str_view(&route.nexthop));
		milters_macro_known(s->milters, names[2], str_view(&route.transport));
	} else {
		milters_macro_known(s->milters, names[1], VIEW_NONE);
		milters_macro_known(s->milters, names[2], VIEW_NONE);
	}
	route_free(&route);
}

/* Parameters of MAIL and RCPT, each with NUL after it. */
static void split_parameters(struct view text, struct str *out)
{
	struct view word;

	while (view_next_word(&text, " \t", &word)) {
		str_append(out, word);
		str_append_byte(out, '\0');
	}
}

/* ---- the client ---- */

/* Which milters this client's address brings. */
static int milters_of_client(struct session *s, struct milter_list *own, bool *has_own)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = tables_lookup(milters.maps, view_of(s->peer->text), &value, &err);

	*has_own = r != 0;
	if (r > 0 && view_is_nocase(view_trim(str_view(&value)), "DISABLE"))
		return 0;
	if (r > 0)
		r = milter_list_parse(str_view(&value), own, &err);
	if (r < 0)
		log_warning("smtpd_milter_maps: %s", err.text);
	return r;
}

static int milter_note(struct session *s, const char *command, struct milter_verdict *verdict,
		       struct view recipient)
{
	struct view reply = str_view(&verdict->reply);
	struct view first = view_first(reply, view_find_byte(reply, '\r'));

	note_refusal(s, "milter-reject", command, first, recipient);
	return reply_text(s, reply);
}

/* For good: later commands hear it. 554 is what RFC 5321 3.1 has for a greeting. */
static int milter_refuse_client(struct session *s, struct milter_verdict *verdict)
{
	struct str *text = &verdict->reply;

	if (text->data[0] == '5') {
		for (size_t at = 0; at < text->len; at = reply_next_line(str_view(text), at))
			memcpy(text->data + at, "554", 3);
		s->access_denied = true;
		return milter_note(s, "CONNECT", verdict, VIEW_NONE);
	}
	if (view_starts(str_view(&verdict->reply), VIEW("421")))
		return milter_note(s, "CONNECT", verdict, VIEW_NONE);
	str_set(&s->milter_refusal, str_view(&verdict->reply));
	return SESSION_GOES_ON;
}

int milter_connect(struct session *s)
{
	struct milter_list own = { .count = 0 };
	struct milter_verdict verdict = { .hold = false };
	_cleanup_(str_free) struct str shown = STR_EMPTY;
	bool has_own = false;
	int r = milters_of_client(s, &own, &has_own);

	if (r < 0) {
		milter_list_free(&own);
		return reply(s, "421 4.3.5 %s Server configuration problem - try again later",
			     param.myhostname);
	}
	if ((has_own ? &own : &milters.list)->count > 0)
		s->milters = milters_begin(has_own ? &own : &milters.list);
	milter_list_free(&own);
	if (s->milters == NULL)
		return SESSION_GOES_ON;
	macros_of_client(s);
	if (name_is_known(&s->name))
		str_append(&shown, str_view(&s->name));
	else
		str_printf(&shown, "[%s]", s->peer->text);
	milters_event(s->milters, MILTER_CONNECT, str_view(&shown), view_of(s->peer->text),
		      s->peer->port, &verdict);
	s->milters_hear_rejected = verdict.rejected_too;
	r = verdict.reply.len > 0 ? milter_refuse_client(s, &verdict) : SESSION_GOES_ON;
	milter_verdict_free(&verdict);
	return r;
}

/* What a milter says against it is said to the commands that follow; only 421 is said at once. */
bool milter_helo(struct session *s, const char *command, int *result)
{
	struct milter_verdict verdict = { .hold = false };
	bool hangs_up;

	if (s->milters == NULL || s->milter_refusal.len > 0)
		return true;
	macros_of_tls(s);
	milters_event(s->milters, MILTER_HELO, str_view(&s->helo), VIEW_NONE, 0, &verdict);
	hangs_up = view_starts(str_view(&verdict.reply), VIEW("421"));
	if (hangs_up)
		*result = milter_note(s, command, &verdict, VIEW_NONE);
	else
		str_set(&s->milter_refusal, str_view(&verdict.reply));
	milter_verdict_free(&verdict);
	return !hangs_up;
}

int milter_unknown(struct session *s, struct view line, const char *otherwise)
{
	struct milter_verdict verdict = { .hold = false };
	int r;

	if (s->milters == NULL)
		return reply(s, "%s", otherwise);
	milters_event(s->milters, MILTER_UNKNOWN, line, VIEW_NONE, 0, &verdict);
	r = verdict.reply.len > 0 ? milter_note(s, "UNKNOWN", &verdict, VIEW_NONE)
				  : reply(s, "%s", otherwise);
	milter_verdict_free(&verdict);
	return r;
}

/* ---- the transaction ---- */

static void milter_discard(struct session *s, const char *command, struct view recipient,
			   const struct milter_verdict *verdict)
{
	if (!verdict->discard || s->transaction.discard)
		return;
	note_refusal(s, "milter-discard", command, VIEW("discarded"), recipient);
	s->transaction.discard = true;
}

/* Takes over what they say beside yes and no. True if they let it pass. */
static bool milter_pass(struct session *s, const char *command, struct view recipient,
			struct milter_verdict *verdict, int *result)
{
	struct transaction *t = &s->transaction;

	if (verdict->reply.len > 0) {
		*result = milter_note(s, command, verdict, recipient);
		return false;
	}
	milter_discard(s, command, recipient, verdict);
	if (verdict->hold && !t->hold) {
		note_refusal(s, "milter-hold", command, str_view(&verdict->reason), recipient);
		t->hold = true;
		str_set(&t->held, VIEW("milter: "));
		str_append(&t->held, str_view(&verdict->reason));
	}
	return true;
}

bool milter_mail(struct session *s, struct view parameters, int *result)
{
	static const char *const names[] = { "mail_addr", "mail_host", "mail_mailer" };
	struct milter_verdict verdict = { .hold = false };
	_cleanup_(str_free) struct str address = STR_EMPTY, split = STR_EMPTY;
	bool passes;

	if (s->milters == NULL)
		return true;
	/* As in Postfix it is told when there is a recipient. */
	milters_macro(s->milters, "i", VIEW_NONE);
	transaction_reserve_id(s);
	milters_macro(s->milters, "auth_type", str_view(&s->sasl_method));
	milters_macro(s->milters, "auth_authen", str_view(&s->login));
	macros_of_address(s, names, str_view(&s->transaction.sender));
	str_printf(&address, "<%s>", str_cstr(&s->transaction.sender_given));
	split_parameters(parameters, &split);
	milters_event(s->milters, MILTER_MAIL, str_view(&address), str_view(&split), 0, &verdict);
	passes = milter_pass(s, "MAIL", VIEW_NONE, &verdict, result);
	milter_verdict_free(&verdict);
	return passes;
}

static void milter_ask_rcpt(struct session *s, enum milter_event event, struct view given,
			    struct view parameters, struct milter_verdict *verdict)
{
	_cleanup_(str_free) struct str address = STR_EMPTY, split = STR_EMPTY;

	str_append_byte(&address, '<');
	str_append(&address, given);
	str_append_byte(&address, '>');
	split_parameters(parameters, &split);
	milters_event(s->milters, event, str_view(&address), str_view(&split), 0, verdict);
}

bool milter_rcpt(struct session *s, struct view given, struct view address, struct view parameters,
		 int *result)
{
	static const char *const names[] = { "rcpt_addr", "rcpt_host", "rcpt_mailer" };
	struct milter_verdict verdict = { .hold = false };
	bool passes;

	if (s->milters == NULL)
		return true;
	macros_of_address(s, names, address);
	milter_ask_rcpt(s, MILTER_RCPT, given, parameters, &verdict);
	passes = milter_pass(s, "RCPT", address, &verdict, result);
	milter_verdict_free(&verdict);
	if (passes && s->transaction.count == 0)
		milters_macro(s->milters, "i", transaction_reserve_id(s));
	return passes;
}

void milter_rcpt_rejected(struct session *s, struct view given, struct view reply)
{
	struct milter_verdict verdict = { .hold = false };
	struct view text = reply, code = VIEW_NONE, status = VIEW_NONE;

	if (s->milters == NULL || !s->milters_hear_rejected)
		return;
	view_next_word(&text, " ", &code);
	view_next_word(&text, " ", &status);
	milters_macro(s->milters, "rcpt_mailer", VIEW("error"));
	milters_macro(s->milters, "rcpt_host", status);
	milters_macro(s->milters, "rcpt_addr", text);
	milter_ask_rcpt(s, MILTER_RCPT_REJECTED, given, VIEW_NONE, &verdict);
	milter_discard(s, "RCPT", given, &verdict);
	milter_verdict_free(&verdict);
}

bool milter_data(struct session *s, int *result)
{
	struct milter_verdict verdict = { .hold = false };
	bool passes;

	if (s->milters == NULL)
		return true;
	milters_event(s->milters, MILTER_DATA, VIEW_NONE, VIEW_NONE, 0, &verdict);
	passes = milter_pass(s, "DATA", VIEW_NONE, &verdict, result);
	milter_verdict_free(&verdict);
	return passes;
}

/* filter is gone in this very moment: whoever is asked then answers in its place. */
bool milter_channel(struct session *s, int *channel, int *result)
{
	*channel = -1;
	if (s->milters == NULL || s->transaction.discard)
		return true;
	*channel = milters_channel(s->milters);
	return *channel >= 0 || milter_data(s, result);
}
