/* Answers, and the last words to a client. */
#include <errno.h>
#include <stdarg.h>

#include "base/log.h"
#include "conf/conf.h"
#include "session.h"

/* Slows a client down that keeps making errors. The task sleeps, nobody else does. */
static void slow_down(struct session *s)
{
	if (s->errors > (size_t)param.smtpd_soft_error_limit) {
		stream_flush(s->io);
		(void)task_pause(param.smtpd_error_sleep_time);
	}
}

/* RFC 5321 4.2.1 and RFC 7504: after these the connection is closed. */
static bool ends_session(struct view text)
{
	return view_starts(text, VIEW("221 ")) || view_starts(text, VIEW("421 ")) ||
	       view_starts(text, VIEW("521 "));
}

int reply_text(struct session *s, struct view text)
{
	struct view whole = text;
	char first = text.len > 3 ? text.data[0] : '5';
	bool is_error = first == '4' || first == '5';
	bool soften = param.soft_bounce && first == '5';

	if (is_error) {
		s->errors++;
		s->failed = true;
	}
	slow_down(s);
	if (soften) {
		/* "550 5.1.1" becomes "450 4.1.1". */
		stream_write(s->io, VIEW("4"));
		stream_write(s->io, view_make(text.data + 1, 3));
		text = view_from(text, 4);
		if (text.len > 1 && text.data[0] == '5' && text.data[1] == '.') {
			stream_write(s->io, VIEW("4"));
			text = view_from(text, 1);
		}
	}
	stream_write(s->io, text);
	stream_write(s->io, VIEW("\r\n"));
	return ends_session(whole) ? SESSION_DONE : SESSION_GOES_ON;
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
	} else {
		log_info("lost connection after %s from %s", s->where, str_cstr(&s->who));
	}
}
