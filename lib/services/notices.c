/*
 * Messages to the postmaster that notify_classes asks for: whether one may be sent, and sending it. What
 * there is to tell others know.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "services/clients.h"

#define NOTICE_HOUR ((msec_t)3600 * 1000)

bool notice_is_wanted(const char *class)
{
	struct view rest = view_of(param.notify_classes), word;

	while (conf_next_element(&rest, &word))
		if (view_is_nocase(word, class))
			return true;
	/* Who wants to hear of mail that came back does so of reports, too. */
	return strcmp(class, "2bounce") == 0 && notice_is_wanted("bounce");
}

bool notice_may(unsigned *passed_over)
{
	static msec_t began;
	static int64_t sent;
	static unsigned over;

	if (began == 0 || clock_now() - began >= NOTICE_HOUR) {
		began = clock_now();
		sent = 0;
	}
	if (sent >= param.notice_rate_limit) {
		if (over++ == 0 || sent == param.notice_rate_limit)
			log_warning(
				"more messages to the postmaster than notice_rate_limit: the rest "
				"of this hour's are only counted");
		sent = param.notice_rate_limit + 1;
		return false;
	}
	sent++;
	*passed_over = over;
	over = 0;
	return true;
}

void notice_sender(struct str *out)
{
	str_append_cstr(out, param.double_bounce_sender);
	if (view_find_byte(str_view(out), '@') == VIEW_NOT_FOUND)
		str_printf(out, "@%s", param.myorigin);
}

static int notice_submit(const char *recipient, struct view also, struct view head,
			 struct view text)
{
	_cleanup_(submission_verdict_free) struct submission_verdict verdict = { 0 };
	_cleanup_(str_free) struct str sender = STR_EMPTY;
	struct submission *s;
	int r;

	notice_sender(&sender);
	s = submission_begin("private/cleanup", &(struct msg_mail){ .sender = str_view(&sender),
								    .flags = MAIL_FLAG_INTERNAL,
								    .kind = INTERNAL_NOTIFY,
								    .body = BODY_7BIT });
	r = submission_rcpt(s, view_of(recipient), VIEW_NONE, NOTIFY_NEVER);
	if (r == 0 && also.len > 0)
		r = submission_rcpt(s, also, VIEW_NONE, NOTIFY_NEVER);
	if (r == 0)
		r = submission_data(s, head);
	if (r == 0)
		r = submission_data(s, text);
	if (r < 0) {
		submission_abort(s);
		return r;
	}
	r = submission_commit(s, &verdict);
	return r == 0 && verdict.code != 250 ? -EAGAIN : r;
}

int notice_send(const char *recipient, struct view also, const char *subject, struct view text)
{
	_cleanup_(str_free) struct str head = STR_EMPTY;
	int r;

	str_printf(&head,
		   "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n"
		   "To: %s (Postmaster)",
		   param.myorigin, recipient);
	if (also.len > 0) {
		str_append_cstr(&head, ", ");
		str_append_printable(&head, also);
	}
	str_append_cstr(&head, "\r\nSubject: ");
	str_append_printable(&head, view_of(subject));
	str_append(&head, VIEW("\r\nAuto-Submitted: auto-generated\r\n"
			       "MIME-Version: 1.0\r\n"
			       "Content-Type: text/plain; charset=us-ascii\r\n\r\n"));
	r = notice_submit(recipient, also, str_view(&head), text);
	if (r < 0)
		log_warning("cannot tell %s: %s: %s", recipient, subject, strerror(-r));
	return r;
}
