/*
 * Speaking with a server: lines that are sent, replies that are read, and what it means when that
 * fails. How a conversation begins is in open.c.
 */
#include "session.h"

#include <errno.h>

#include "base/mem.h"

void session_free(struct session *s)
{
	if (s == NULL)
		return;
	stream_free(s->io);
	str_free(&s->key);
	str_free(&s->nexthop);
	str_free(&s->host);
	str_free(&s->who);
	str_free(&s->relay);
	str_free(&s->mechanisms);
	str_free(&s->xforward);
	str_free(&s->discarded);
	str_free(&s->address);
	reply_free(&s->reply);
	dns_answer_free(&s->tlsa);
	str_free(&s->tlsa_base);
	free(s);
}

void session_quit(struct session *s)
{
	if (s == NULL)
		return;
	if (!s->unusable) {
		/* A socket takes so little at once; a server that does not read waits for us. */
		stream_set_deadline(s->io, clock_after(1000));
		stream_write(s->io, VIEW("QUIT\r\n"));
		stream_close(TAKE(s->io));
	}
	session_free(s);
}

int session_send(struct session *s, const char *doing, const char *format, ...)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	va_list args;

	s->doing = doing;
	va_start(args, format);
	str_vprintf(&line, format, args);
	va_end(args);
	/* What we say comes from addresses and parameters: never more than one line of it. */
	if (view_has_control(str_view(&line)))
		return -EINVAL;
	str_append(&line, VIEW("\r\n"));
	return stream_write(s->io, str_view(&line));
}

int session_receive(struct session *s, msec_t timeout)
{
	int r;

	stream_set_deadline(s->io, clock_after(timeout));
	r = reply_read(s->io, &s->reply);
	if (r < 0)
		s->unusable = true;
	else if (s->reply.code == 421)
		s->unusable = true; /* it closes the connection now */
	return r;
}

void session_describe(struct session *s, int error, struct outcome *failure)
{
	const char *who = str_cstr(&s->who);
	struct view relay = str_view(&s->relay);

	if (error == -ETIMEDOUT)
		outcome_set(failure, OUTCOME_DEFERRED, "4.4.2", relay,
			    "conversation with %s timed out while %s", who, s->doing);
	else if (error == -EBADMSG)
		outcome_set(failure, OUTCOME_DEFERRED, "4.5.0", relay,
			    "malformed reply from %s while %s", who, s->doing);
	else if (error == -EPROTO)
		outcome_set(failure, OUTCOME_DEFERRED, "4.7.5", relay,
			    "TLS with %s failed while %s: %s", who, s->doing, stream_error(s->io));
	else
		outcome_set(failure, OUTCOME_DEFERRED, "4.4.2", relay,
			    "lost connection with %s while %s", who, s->doing);
	if (error == -EPROTO)
		failure->cause = CAUSE_TLS;
	s->unusable = true;
}
