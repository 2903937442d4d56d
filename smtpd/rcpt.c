/* RCPT TO, RFC 5321 4.1.1.3. */
#include <errno.h>

#include "conf/conf.h"
#include "mail/address.h"
#include "mailauth/return_path.h"
#include "server.h"
#include "services/clients.h"
#include "session.h"

struct request {
	struct str given, address; /* as the client wrote it; standard form */
	struct view parameters;
	struct str orcpt;
	uint8_t notify;
};

static void request_free(struct request *request)
{
	str_free(&request->given);
	str_free(&request->address);
	str_free(&request->orcpt);
}

static int refuse_too_many(struct session *s)
{
	size_t errors = s->errors;
	int r = reply(s, "452 4.5.3 Error: too many recipients");

	/* RFC 5321 4.5.3.1.10: honest clients try the rest later; that is no error of theirs yet. */
	if (s->transaction.overshoot++ < (size_t)param.smtpd_recipient_overshoot_limit)
		s->errors = errors;
	return r;
}

/* Reads the command. True if it is well-formed, else it has been answered. */
static bool rcpt_parse(struct session *s, struct view argument, struct request *request,
		       int *result)
{
	const char *problem;

	*result = SESSION_GOES_ON;
	if (!view_starts_nocase(argument, VIEW("TO:"))) {
		*result = reply(s, "501 5.5.4 Syntax: RCPT TO:<address>");
		return false;
	}
	argument = view_from(argument, 3);
	if (address_parse_path(&argument, param.strict_rfc821_envelopes,
			       s->transaction.options.utf8, &request->given, &problem) < 0) {
		*result = reply(s, "501 5.1.3 Bad recipient address syntax: %s", problem);
		return false;
	}
	if (request->given.len == 0) {
		*result = reply(s, "501 5.1.3 Bad recipient address syntax: empty address");
		return false;
	}
	request->parameters = argument;
	if (options_parse_rcpt(s, argument, &request->orcpt, &request->notify) < 0)
		return false;
	if (route_canonical_form(server.routes, str_view(&request->given), &request->address) < 0) {
		*result = reply(s, "451 4.3.0 Error: temporary lookup failure");
		return false;
	}
	return true;
}

/* A return path of what we have sent on (srs_domain) is for reports, and has to be of our making. */
static bool rcpt_is_return_path(struct session *s, const struct request *request, int *result)
{
	_cleanup_(str_free) struct str original = STR_EMPTY;
	const char *why;
	int r;

	if (!return_path_is_ours(str_view(&request->address)))
		return true;
	r = s->transaction.sender.len > 0
		    ? -EPERM
		    : return_path_read(str_view(&request->address), &original);
	if (r == 0)
		return true;
	why = r == -EPERM    ? "550 5.7.1 Error: this is for reports only"
	      : r == -ETIME  ? "550 5.1.1 Error: this return path has expired"
	      : r == -EACCES ? "550 5.1.1 Error: this is no return path of ours"
			     : "451 4.3.0 Error: this return path cannot be judged now";
	*result = reply_refusal(s, "RCPT", view_of(why), str_view(&request->address));
	return false;
}

/* What the restriction lists say. True if they let it pass. */
static bool rcpt_permitted(struct session *s, const struct request *request, int *result)
{
	_cleanup_(policy_answer_free) struct policy_answer answer = { 0 };
	_cleanup_(str_free) struct str shown = STR_EMPTY;
	struct policy_question q;
	bool permitted;

	/* RFC 5321 4.5.1: for that name alone there is always somebody. */
	if (view_is_nocase(str_view(&request->given), "postmaster"))
		return true;
	transaction_question(s, "RCPT", &q);
	q.recipient = str_view(&request->address);
	address_quote(&shown, str_view(&request->given));
	q.recipient_given = str_view(&shown);
	s->recipient = q.recipient;
	policy_ask_recipient(server.policy, param.smtpd_delay_reject, &q, &answer);
	permitted = answer.action != POLICY_REJECT && answer.action != POLICY_DEFER;
	if (permitted)
		transaction_note_answer(s, &answer);
	else
		*result = reply_refusal(s, "RCPT", str_view(&answer.reply),
					str_view(&request->address));
	if (!permitted)
		milter_rcpt_rejected(s, str_view(&shown), str_view(&answer.reply));
	s->recipient = VIEW_NONE;
	return permitted;
}

/* And what milters say to it. */
static bool rcpt_filtered(struct session *s, const struct request *request, int *result)
{
	_cleanup_(str_free) struct str shown = STR_EMPTY;

	address_quote(&shown, str_view(&request->given));
	return milter_rcpt(s, str_view(&shown), str_view(&request->address), request->parameters,
			   result);
}

/* By LMTP nothing is taken that is not delivered here: whoever hands it in is an MTA itself. */
static bool rcpt_is_here(struct session *s, const struct request *request, int *result)
{
	struct view local, domain;
	int class;

	if (!server.is_lmtp)
		return true;
	address_split(str_view(&request->address), &local, &domain);
	class = route_class(server.routes, domain, NULL);
	if (class == CLASS_LOCAL || class == CLASS_VIRTUAL_MAILBOX || class == CLASS_VIRTUAL_ALIAS)
		return true;
	*result = class < 0 ? reply(s, "451 4.3.0 Error: temporary lookup failure")
			    : reply_refusal(s, "RCPT",
					    VIEW("550 5.7.1 Error: there are no mailboxes of this "
						 "domain here"),
					    str_view(&request->address));
	return false;
}

/* A mailbox that a delivery has found full. Without anvil the delivery finds that out again. */
static bool rcpt_has_room(struct session *s, const struct request *request, int *result)
{
	_cleanup_(str_free) struct str base = STR_EMPTY, text = STR_EMPTY;
	struct view local, domain, user, extension;
	bool is_local;

	if (!param.smtpd_reject_over_quota)
		return true;
	address_split(str_view(&request->address), &local, &domain);
	if (!address_split_extension(local, param.recipient_delimiter, &user, &extension))
		user = local;
	is_local = route_class(server.routes, domain, NULL) == CLASS_LOCAL;
	str_printf(&base, "%.*s@%.*s", VIEW_ARG(user), VIEW_ARG(domain));
	if (anvil_is_full(str_view(&base), is_local ? user : VIEW_NONE) <= 0)
		return true;
	str_append_cstr(&text, param.mailbox_quota_full_tempfail ? "452 4.2.2 <" : "552 5.2.2 <");
	address_show(&text, str_view(&request->given));
	str_printf(&text, ">: Recipient address rejected: %s",
		   param.mailbox_quota_exceeded_message);
	*result = reply_refusal(s, "RCPT", str_view(&text), str_view(&request->address));
	return false;
}

int verb_rcpt(struct session *s, struct view argument)
{
	_cleanup_(request_free) struct request request = { 0 };
	int r;

	if (!rcpt_parse(s, argument, &request, &r))
		return r;
	if (limit_exceeded(s, ANVIL_RCPT, param.smtpd_client_recipient_rate_limit,
			   "Recipient address"))
		return reply(s, "450 4.7.1 Error: too many recipients from %s", s->peer->text);
	if (s->transaction.count >= (size_t)param.smtpd_recipient_limit)
		return refuse_too_many(s);
	if (!rcpt_is_here(s, &request, &r) || !rcpt_is_return_path(s, &request, &r) ||
	    !rcpt_permitted(s, &request, &r) || !rcpt_has_room(s, &request, &r) ||
	    !rcpt_filtered(s, &request, &r))
		return r;
	transaction_add(s, str_view(&request.address), str_view(&request.orcpt), request.notify);
	s->state = STATE_RCPT;
	return reply(s, "250 2.1.5 Ok");
}
