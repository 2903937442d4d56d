/* Log lines in the form that people's scripts read. */
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "mail/address.h"
#include "server.h"
#include "session.h"

const char *session_id(const struct session *s)
{
	return s->transaction.queue_id.len > 0 ? str_cstr(&s->transaction.queue_id) : "NOQUEUE";
}

const char *session_protocol(const struct session *s, struct str *buffer)
{
	/* RFC 3848, RFC 6531 4.3. */
	str_clear(buffer);
	if (server.is_lmtp)
		str_append_cstr(buffer, s->transaction.options.utf8 ? "UTF8LMTP" : "LMTP");
	else
		str_append_cstr(buffer, !s->esmtp		      ? "SMTP"
					: s->transaction.options.utf8 ? "UTF8SMTP"
								      : "ESMTP");
	if (s->esmtp && s->secured)
		str_append_byte(buffer, 'S');
	if (s->esmtp && s->login.len > 0)
		str_append_byte(buffer, 'A');
	return str_cstr(buffer);
}

void note_refusal(struct session *s, const char *what, const char *command, struct view text,
		  struct view recipient)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;

	str_printf(&line, "%s: %s: %s from %s: %.*s;", session_id(s), what, command,
		   str_cstr(&s->who), VIEW_ARG(text));
	if (s->state & (STATE_MAIL | STATE_RCPT | STATE_CHUNKS)) {
		str_append_cstr(&line, " from=<");
		address_show(&line, str_view(&s->transaction.sender));
		str_append_cstr(&line, ">");
	}
	if (recipient.len > 0) {
		str_append_cstr(&line, " to=<");
		address_show(&line, recipient);
		str_append_cstr(&line, ">");
	}
	str_printf(&line, " proto=%s", server.is_lmtp ? "LMTP" : s->esmtp ? "ESMTP" : "SMTP");
	if (s->helo.len > 0) {
		str_append_cstr(&line, " helo=<");
		str_append_printable(&line, str_view(&s->helo));
		str_append_cstr(&line, ">");
	}
	if (s->login.len > 0)
		str_printf(&line, " sasl_username=<%s>", str_cstr(&s->login));
	log_info("%s", str_cstr(&line));
	if (strcmp(what, "reject") == 0)
		metric_add(METRIC_rejected, 1);
}
