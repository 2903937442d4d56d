/* Answers, and the last words to a client. */
#include <errno.h>
#include <stdarg.h>

#include "base/log.h"
#include "conf/conf.h"
#include "mail/outcome.h"
#include "server.h"
#include "session.h"

/* Slows a client down that keeps making errors. The task sleeps, nobody else does. */
static void slow_down(struct session *s)
{
	if (s->errors > (size_t)param.smtpd_soft_error_limit) {
		stream_flush(s->io);
		(void)task_pause(param.smtpd_error_sleep_time);
	}
}

/* RFC 5321 4.2.1 and RFC 7504: after these, of one line or several, the connection is closed. */
static bool ends_session(struct view text)
{
	struct view code = view_first(text, 3);

	return text.len > 3 && (text.data[3] == ' ' || text.data[3] == '-') &&
	       (view_is(code, "221") || view_is(code, "421") || view_is(code, "521"));
}

size_t reply_next_line(struct view text, size_t at)
{
	size_t end = view_find_byte(view_from(text, at), '\n');

	return end == VIEW_NOT_FOUND ? text.len : at + end + 1;
}

/* "550 5.1.1" becomes "450 4.1.1", in each line. */
static void soften(struct str *text)
{
	for (size_t at = 0; at < text->len; at = reply_next_line(str_view(text), at)) {
		text->data[at] = '4';
		if (text->len > at + 5 && text->data[at + 4] == '5' && text->data[at + 5] == '.')
			text->data[at + 4] = '4';
	}
}

/* The code and, if there is one, the status: "550 5.1.1". */
static struct view reply_head(struct view text)
{
	struct view rest = view_from(text, 4), status;
	size_t length = MIN(text.len, (size_t)3);

	if (text.len > 4 && outcome_status_take(&rest, text.data[0], &status))
		length = 4 + status.len;
	return view_first(text, length);
}

void reply_add_footer(struct str *out, struct view rest)
{
	_cleanup_(str_free) struct str head = STR_EMPTY;
	size_t last = 0; /* where the last line begins */

	str_append(&head, reply_head(str_view(out)));
	if (head.len > 3)
		head.data[3] = ' ';
	for (size_t at = 0; at < out->len; at = reply_next_line(str_view(out), at))
		last = at;
	if (view_starts(rest, VIEW("\\c"))) {
		size_t end = view_find(rest, VIEW("\\n"));

		str_append_printable(out, view_first(view_from(rest, 2), end - 2));
		rest = end == VIEW_NOT_FOUND ? VIEW_NONE : view_from(rest, end + 2);
	}
	while (rest.len > 0) {
		size_t end = view_find(rest, VIEW("\\n"));

		out->data[last + 3] = '-';
		str_append(out, VIEW("\r\n"));
		last = out->len;
		str_append(out, str_view(&head));
		str_append_byte(out, ' ');
		str_append_printable(out, view_first(rest, end));
		rest = end == VIEW_NOT_FOUND ? VIEW_NONE : view_from(rest, end + 2);
	}
}

static void append_footer(struct session *s, struct str *out)
{
	_cleanup_(str_free) struct str footer = STR_EMPTY;
	struct policy_question q;

	transaction_question(s, s->where, &q);
	q.recipient = s->recipient;
	if (policy_footer(server.policy, &q, str_view(out), &footer) > 0)
		reply_add_footer(out, str_view(&footer));
}

static bool has_footer(void)
{
	return param.smtpd_reject_footer[0] != '\0' || param.smtpd_reject_footer_maps[0] != '\0';
}

int reply_text(struct session *s, struct view text)
{
	_cleanup_(str_free) struct str out = STR_EMPTY;
	char first = text.len > 3 ? text.data[0] : '5';
	bool is_error = first == '4' || first == '5';

	if (is_error) {
		s->errors++;
		s->failed = true;
	}
	slow_down(s);
	transcript_out(s, text);
	if (is_error && text.len > 3 && (param.soft_bounce || has_footer())) {
		str_append(&out, text);
		if (param.soft_bounce && first == '5')
			soften(&out);
		if (has_footer())
			append_footer(s, &out);
		text = str_view(&out);
	}
	for (size_t i = 0; i < MAX(s->answers, (size_t)1); i++) {
		stream_write(s->io, text);
		stream_write(s->io, VIEW("\r\n"));
	}
	return ends_session(text) ? SESSION_DONE : SESSION_GOES_ON;
}

int reply(struct session *s, const char *format, ...)
{
	va_list args;

	str_clear(&s->reply);
	va_start(args, format);
	str_vprintf(&s->reply, format, args);
	va_end(args);

	return reply_text(s, str_view(&s->reply));
}

int reply_refusal(struct session *s, const char *command, struct view text, struct view recipient)
{
	note_refusal(s, "reject", command, text, recipient);
	return reply_text(s, text);
}

/* Gone, silent too long, or we are to stop. */
void session_leave(struct session *s, int r)
{
	if (r == -ETIMEDOUT) {
		log_info("timeout after %s from %s", s->where, str_cstr(&s->who));
		reply(s, "421 4.4.2 %s Error: timeout exceeded", param.myhostname);
	} else if (r == -ESHUTDOWN) {
		reply(s, "421 4.3.2 %s Service shutting down", param.myhostname);
	} else if (s->spare.gives_way) {
		log_info("disconnected for a new client: %s", str_cstr(&s->who));
		reply(s, "421 4.3.2 %s All server ports are busy", param.myhostname);
	} else {
		log_info("lost connection after %s from %s", s->where, str_cstr(&s->who));
	}
}
