/* IDLE (RFC 2177). What is told meanwhile: listen.c. */
#include <errno.h>

#include "hibernate.h"

static int idle_until_done(struct imap_session *s)
{
	struct listening l = { .s = s, .expunges = true, .still_here = true };
	struct view line = VIEW_NONE;
	int told, r;

	imap_listen_begin(&l);
	r = imap_await_client(s, IMAP_IDLING);
	if (r == 0)
		r = imap_parser_line(s->parser, &line);

	bool done = r == 0 && view_is_nocase(view_trim(line), "DONE");

	told = imap_listen_end(&l);
	if (told < 0)
		return told;
	if (r < 0 && r != -EMSGSIZE)
		return r;
	return done ? imap_ok(s, "Idle completed.") : imap_bad(s, "Expected DONE.");
}

int imap_command_idle(struct imap_session *s)
{
	int r = imap_end(s->parser);

	if (r == 0)
		r = stream_printf(s->io, "+ idling\r\n");
	if (r == 0)
		r = stream_flush(s->io);
	return r < 0 ? r : idle_until_done(s);
}

int imap_idle_resume(struct imap_session *s, struct view tag)
{
	int r = imap_restore(s);

	if (r < 0)
		return r;
	imap_command_resume(s->parser, tag);
	s->expunge_allowed = true;
	return idle_until_done(s);
}
