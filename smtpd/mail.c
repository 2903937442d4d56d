/* MAIL FROM, RFC 5321 4.1.1.2. */
#include "conf/conf.h"
#include "mail/address.h"
#include "server.h"
#include "session.h"

/* SMTPUTF8 decides how the address is read, and stands after it. */
static bool wants_utf8(const struct session *s, struct view argument)
{
	struct view word;

	if (s->discarded & EHLO_SMTPUTF8)
		return false;
	while (view_next_word(&argument, " \t", &word)) {
		if (view_is_nocase(word, "SMTPUTF8"))
			return true;
	}
	return false;
}

/* "FROM:" off the front. */
static bool take_keyword(struct view *argument)
{
	if (!view_starts_nocase(*argument, VIEW("FROM:")))
		return false;
	*argument = view_from(*argument, 5);
	return true;
}

/* Options and size are in order; the sender restrictions, where they do not wait for RCPT. */
static int mail_ask_policy(struct session *s, struct view parameters)
{
	_cleanup_(policy_answer_free) struct policy_answer answer = { 0 };
	struct policy_question q;

	if (!param.smtpd_delay_reject && !policy_is_empty(server.policy, POLICY_SENDER)) {
		transaction_question(s, "MAIL", &q);
		policy_ask(server.policy, POLICY_SENDER, &q, &answer);
		if (answer.action == POLICY_REJECT || answer.action == POLICY_DEFER) {
			int r = reply_refusal(s, "MAIL", str_view(&answer.reply), VIEW_NONE);

			transaction_reset(s);
			return r;
		}
		transaction_note_answer(s, &answer);
	}
	int result;

	if (!milter_mail(s, parameters, &result)) {
		transaction_reset(s);
		return result;
	}
	return reply(s, "250 2.1.0 Ok");
}

int verb_mail(struct session *s, struct view argument)
{
	struct transaction *t = &s->transaction;
	bool utf8 = wants_utf8(s, argument);
	_cleanup_(str_free) struct str given = STR_EMPTY;
	const char *problem;

	if (s->state == STATE_NEW && param.smtpd_helo_required)
		return reply(s, "503 5.5.1 Error: send HELO/EHLO first");
	if (!take_keyword(&argument))
		return reply(s, "501 5.5.4 Syntax: MAIL FROM:<address>");
	transaction_reset(s);
	if (address_parse_path(&argument, param.strict_rfc821_envelopes, utf8, &given, &problem) <
	    0)
		return reply(s, "501 5.1.7 Bad sender address syntax: %s", problem);
	if (limit_exceeded(s, ANVIL_MAIL, param.smtpd_client_message_rate_limit,
			   "Message delivery request"))
		return reply(s, "450 4.7.1 Error: too much mail from %s", s->peer->text);
	if (options_parse_mail(s, argument, &t->options) < 0)
		return SESSION_GOES_ON;
	address_quote(&t->sender_given, str_view(&given));
	if (given.len > 0 && route_canonical_form(server.routes, str_view(&given), &t->sender) < 0)
		return reply(s, "451 4.3.0 Error: temporary lookup failure");
	s->state = STATE_MAIL;
	spare_remove(&s->spare);
	return mail_ask_policy(s, argument);
}
