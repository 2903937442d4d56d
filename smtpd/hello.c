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
	forwarded_clear(s);
	str_clear(&s->helo);
	str_append_printable(&s->helo, view_first(argument, HELO_MAX));
	s->state = STATE_READY;
	*result = SESSION_GOES_ON;
	if (param.smtpd_delay_reject || policy_is_empty(server.policy, POLICY_HELO))
		return milter_helo(s, command, result);
	transaction_question(s, command, &q);
	policy_ask(server.policy, POLICY_HELO, &q, &answer);
	if (answer.action != POLICY_REJECT && answer.action != POLICY_DEFER)
		return milter_helo(s, command, result);
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
	extensions_announce(s, out);
	return reply_text(s, str_view(out));
}
