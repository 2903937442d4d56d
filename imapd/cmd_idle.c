/* IDLE (RFC 2177). What is told meanwhile: listen.c. */
#include <errno.h>

#include "session.h"

int imap_command_idle(struct imap_session *s)
{
	struct listening l = { .s = s, .expunges = true, .still_here = true };
	struct view line = VIEW_NONE;
	int told, r = imap_end(s->parser);

	if (r == 0)
		r = stream_printf(s->io, "+ idling\r\n");
	if (r == 0)
		r = stream_flush(s->io);
	if (r < 0)
		return r;
	imap_listen_begin(&l);
	r = imap_parser_line(s->parser, &line);

	bool done = r == 0 && view_is_nocase(view_trim(line), "DONE");

	told = imap_listen_end(&l);
	if (told < 0)
		return told;
	if (r < 0 && r != -EMSGSIZE)
		return r;
	return done ? imap_ok(s, "Idle completed.") : imap_bad(s, "Expected DONE.");
}
