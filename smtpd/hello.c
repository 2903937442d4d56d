/* HELO and EHLO, RFC 5321 4.1.1.1. */
#include "conf/conf.h"
#include "server.h"
#include "session.h"

#define HELO_MAX 255 /* octets kept of the name that the client gives itself */

/* Takes the name; false when it has been refused. */
static bool greeted(struct session *s, struct view argument, const char *command, int *result)
{
	_cleanup_(policy_answer_free) struct policy_answer answer = { 0 };
	struct policy_question q;

	transaction_reset(s);
	str_clear(&s->helo);
	str_append_printable(&s->helo, view_first(argument, HELO_MAX));
	s->state = STATE_READY;
	*result = SESSION_GOES_ON;
	if (param.smtpd_delay_reject || policy_is_empty(server.policy, POLICY_HELO))
		return true;
	transaction_question(s, command, &q);
	policy_ask(server.policy, POLICY_HELO, &q, &answer);
	if (answer.action != POLICY_REJECT && answer.action != POLICY_DEFER)
		return true;
	*result = reply_refusal(s, command, str_view(&answer.reply), VIEW_NONE);
	str_clear(&s->helo);
	s->state = STATE_NEW;
	return false;
}

int verb_helo(struct session *s, struct view argument)
{
	int r;

	if (argument.len == 0)
		return reply(s, "501 5.5.4 Syntax: HELO hostname");
	s->esmtp = false;
	if (!greeted(s, argument, "HELO", &r))
		return r;
	return reply(s, "250 %s", param.myhostname);
}

static bool announces(unsigned keyword)
{
	return !(server.discarded & keyword);
}

static void announce_auth(struct session *s, struct str *out)
{
	if (!s->offers_auth || (param.smtpd_tls_auth_only && !s->secured))
		return;

	struct view names = server_mechanisms(s->secured);

	if (names.len == 0)
		return;
	str_printf(out, "\r\n250-AUTH %.*s", VIEW_ARG(names));
	if (param.broken_sasl_auth_clients)
		str_printf(out, "\r\n250-AUTH=%.*s", VIEW_ARG(names));
}

int verb_ehlo(struct session *s, struct view argument)
{
	struct str *out = &s->reply;
	int r;

	if (argument.len == 0)
		return reply(s, "501 5.5.4 Syntax: EHLO hostname");
	s->esmtp = true;
	if (!greeted(s, argument, "EHLO", &r))
		return r;
	str_clear(out);
	str_printf(out, "250-%s", param.myhostname);
	if (announces(EHLO_PIPELINING))
		str_append_cstr(out, "\r\n250-PIPELINING");
	if (announces(EHLO_SIZE) && param.message_size_limit > 0)
		str_printf(out, "\r\n250-SIZE %lld", (long long)param.message_size_limit);
	else if (announces(EHLO_SIZE))
		str_append_cstr(out, "\r\n250-SIZE");
	if (announces(EHLO_VRFY))
		str_append_cstr(out, "\r\n250-VRFY");
	if (announces(EHLO_STARTTLS) && server.tls != NULL && !s->secured)
		str_append_cstr(out, "\r\n250-STARTTLS");
	announce_auth(s, out);
	if (announces(EHLO_STATUS_CODES))
		str_append_cstr(out, "\r\n250-ENHANCEDSTATUSCODES");
	if (announces(EHLO_8BITMIME))
		str_append_cstr(out, "\r\n250-8BITMIME");
	if (announces(EHLO_DSN))
		str_append_cstr(out, "\r\n250-DSN");
	if (announces(EHLO_SMTPUTF8))
		str_append_cstr(out, "\r\n250-SMTPUTF8");

	/* The last line has a space after its code. */
	out->data[view_find_last_byte(str_view(out), '\n') == VIEW_NOT_FOUND
			  ? 3
			  : view_find_last_byte(str_view(out), '\n') + 4] = ' ';
	return reply_text(s, str_view(out));
}
