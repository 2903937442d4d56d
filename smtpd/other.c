/* RSET, NOOP, QUIT, HELP, VRFY, and what is not implemented. */
#include "conf/conf.h"
#include "mail/address.h"
#include "server.h"
#include "session.h"

int verb_rset(struct session *s, struct view argument)
{
	if (argument.len > 0)
		return reply(s, "501 5.5.4 Syntax: RSET");
	transaction_reset(s);
	forwarded_clear(s);
	return reply(s, "250 2.0.0 Ok");
}

int verb_noop(struct session *s, struct view argument)
{
	(void)argument; /* RFC 5321 4.1.1.9 allows a string, and gives it no meaning */
	return reply(s, "250 2.0.0 Ok");
}

int verb_quit(struct session *s, struct view argument)
{
	(void)argument;
	return reply(s, "221 2.0.0 Bye");
}

int verb_help(struct session *s, struct view argument)
{
	(void)argument;
	return reply(s,
		     "214 2.0.0 HELO EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT");
}

int verb_not_implemented(struct session *s, struct view argument)
{
	(void)argument;
	return reply(s, "502 5.5.1 Error: command not implemented");
}

int verb_vrfy(struct session *s, struct view argument)
{
	_cleanup_(policy_answer_free) struct policy_answer answer = { 0 };
	_cleanup_(str_free) struct str given = STR_EMPTY, address = STR_EMPTY, shown = STR_EMPTY;
	bool utf8 = view_ends_nocase(argument, VIEW(" SMTPUTF8"));
	struct policy_question q;
	const char *problem;

	if (param.disable_vrfy_command)
		return reply(s, "502 5.5.1 VRFY command is disabled");
	if (utf8)
		argument.len -= strlen(" SMTPUTF8");
	if (argument.len == 0)
		return reply(s, "501 5.5.4 Syntax: VRFY address%s",
			     s->discarded & EHLO_SMTPUTF8 ? "" : " [SMTPUTF8]");
	if (address_parse_path(&argument, false, utf8, &given, &problem) < 0 || given.len == 0 ||
	    argument.len > 0)
		return reply(s, "501 5.1.3 Bad recipient address syntax");
	if (route_canonical_form(server.routes, str_view(&given), &address) < 0)
		return reply(s, "451 4.3.0 Error: temporary lookup failure");
	transaction_question(s, "VRFY", &q);
	q.sender = q.sender_given = VIEW_NONE;
	q.has_sender = false;
	q.recipient = str_view(&address);
	address_quote(&shown, str_view(&given));
	q.recipient_given = str_view(&shown);
	policy_ask_recipient(server.policy, true, &q, &answer);
	if (answer.action == POLICY_REJECT || answer.action == POLICY_DEFER)
		return reply_refusal(s, "VRFY", str_view(&answer.reply), str_view(&address));
	/* Whether somebody reads it there is not ours to say. */
	return reply(s, "252 2.0.0 %s", str_cstr(&shown));
}
