/* What restrictions talk about, and the words of their refusals. */
#include <stdarg.h>

#include "base/log.h"
#include "conf/conf.h"
#include "policy/internal.h"

struct subject subject_client(struct evaluation *e)
{
	if (e->client.len == 0)
		str_printf(&e->client, "%.*s[%.*s]", VIEW_ARG(e->q->client_name),
			   VIEW_ARG(e->q->client_address));
	return (struct subject){ str_view(&e->client), "Client host" };
}

struct subject subject_reverse_client(struct evaluation *e)
{
	return (struct subject){ subject_client(e).name, "Unverified Client host" };
}

struct subject subject_helo(const struct evaluation *e)
{
	return (struct subject){ e->q->helo, "Helo command" };
}

struct subject subject_sender(const struct evaluation *e)
{
	struct view given = e->q->sender_given;

	return (struct subject){ given.len > 0 ? given : e->q->sender, "Sender address" };
}

struct subject subject_recipient(const struct evaluation *e)
{
	struct view given = e->q->recipient_given;

	return (struct subject){ given.len > 0 ? given : e->q->recipient, "Recipient address" };
}

struct subject subject_of_stage(struct evaluation *e)
{
	switch (e->stage) {
	case POLICY_CLIENT:
		return subject_client(e);
	case POLICY_HELO:
		return subject_helo(e);
	case POLICY_SENDER:
		return subject_sender(e);
	case POLICY_RELAY:
	case POLICY_RECIPIENT:
		return subject_recipient(e);
	case POLICY_DATA:
		return (struct subject){ VIEW("DATA"), "Data command" };
	case POLICY_END_OF_DATA:
		return (struct subject){ VIEW("END-OF-MESSAGE"), "End-of-data" };
	case POLICY_ETRN:
	case POLICY_STAGES:
		break;
	}
	return (struct subject){ VIEW("ETRN"), "Etrn command" };
}

/* Appends "CODE X.Y.Z " with the status of the same class as the code. */
static void begin_reply(struct str *reply, int64_t code, const char *status)
{
	str_printf(reply, "%d %c%s ", (int)code, (char)('0' + code / 100 % 10), status + 1);
}

static void decision_note(const struct evaluation *e, const char *what, struct view text)
{
	if (e->q->note != NULL)
		e->q->note(e->q->note_argument, what, text);
	else
		log_info("%s: %.*s", what, VIEW_ARG(text));
}

/* The reply stands in e->answer; decides what it comes to. */
static enum verdict decision_settle(struct evaluation *e)
{
	struct str *reply = &e->answer->reply;

	if (e->warn_next) {
		decision_note(e, "reject_warning", str_view(reply));
		str_clear(reply);
		return DUNNO;
	}
	if (e->defer_if_reject.len > 0 && reply->data[0] == '5')
		str_set(reply, str_view(&e->defer_if_reject));
	return REFUSE;
}

enum verdict policy_refuse(struct evaluation *e, int64_t code, const char *status,
			   const char *format, ...)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	va_list args;

	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	str_clear(&e->answer->reply);
	begin_reply(&e->answer->reply, code, status);
	str_append_printable(&e->answer->reply, str_view(&text));
	return decision_settle(e);
}

static void subject_reply(struct str *reply, struct subject subject, int64_t code,
			  const char *status, struct view reason)
{
	str_clear(reply);
	begin_reply(reply, code, status);
	str_append_byte(reply, '<');
	str_append_printable(reply, subject.name);
	str_printf(reply, ">: %s rejected: ", subject.what);
	str_append_printable(reply, reason);
}

enum verdict policy_refuse_subject(struct evaluation *e, struct subject subject, int64_t code,
				   const char *status, struct view reason)
{
	subject_reply(&e->answer->reply, subject, code, status, reason);
	return decision_settle(e);
}

enum verdict policy_lookup_failed(struct evaluation *e, struct subject subject)
{
	/* Never weakened by warn_if_reject: what could not be asked has not been permitted. */
	e->warn_next = false;
	return policy_refuse(e, 451, "4.3.0", "<%.*s>: Temporary lookup failure",
			     VIEW_ARG(subject.name));
}

enum verdict policy_access_failed(struct evaluation *e)
{
	e->warn_next = false;
	return policy_refuse(e, 451, "4.3.5", "Server configuration error");
}

static void defer_if_permit_code(struct evaluation *e, struct subject subject, int64_t code,
				 const char *status, struct view reason)
{
	if (e->defer_if_permit.len == 0 && !e->warn_next)
		subject_reply(&e->defer_if_permit, subject, code, status, reason);
}

void policy_defer_if_permit(struct evaluation *e, struct subject subject, const char *status,
			    struct view reason)
{
	defer_if_permit_code(e, subject, 450, status, reason);
}

void policy_defer_if_reject(struct evaluation *e, struct subject subject, const char *status,
			    struct view reason)
{
	if (e->defer_if_reject.len == 0)
		subject_reply(&e->defer_if_reject, subject, 450, status, reason);
}

enum verdict policy_tempfail(struct evaluation *e, const char *action, struct subject subject,
			     const char *status, struct view reason)
{
	return policy_tempfail_code(e, action, subject, 450, status, reason);
}

enum verdict policy_tempfail_code(struct evaluation *e, const char *action, struct subject subject,
				  int64_t code, const char *status, struct view reason)
{
	if (strcmp(action, "defer") == 0)
		return policy_refuse_subject(e, subject, code, status, reason);
	defer_if_permit_code(e, subject, code, status, reason);
	return DUNNO;
}
