/* DATA, RFC 5321 4.1.1.4: the content comes with dots, and is read to its end whatever becomes of
 * it, so that the reply finds its place. What is done with it is message.c's part. */
#include <errno.h>

#include "conf/conf.h"
#include "mail/dotstream.h"
#include "session.h"

static void data_piece(void *session, struct view bytes)
{
	message_add(session, bytes);
}

/* Reads the content. 0, or the negative errno that ended the connection. */
static int data_receive(struct session *s, struct dotstream *ds)
{
	struct content_wait wait;
	int r = 0;

	content_wait_begin(s, &wait);
	while (r == 0 && !ds->ended) {
		struct view bytes;

		r = content_wait_peek(s, &wait, &bytes);
		if (r < 0)
			break;
		stream_consume(s->io, dotstream_feed(ds, bytes, data_piece, s));
		if (message_is_endless(s, 0))
			r = -EFBIG;
	}
	content_wait_end(s);
	return r;
}

int verb_data(struct session *s, struct view argument)
{
	struct dotstream ds = DOTSTREAM_START;
	int r;

	if (argument.len > 0)
		return reply(s, "501 5.5.4 Syntax: DATA");
	if (s->state == STATE_MAIL)
		return reply(s, "554 5.5.1 Error: no valid recipients");
	if (!message_begin(s, &r))
		return r;
	reply(s, "354 End data with <CR><LF>.<CR><LF>");
	ds.keep_bare_cr = !param.cleanup_replace_stray_cr_lf;
	r = data_receive(s, &ds);
	r = r < 0 ? message_lost(s, "DATA", r) : message_end(s, ds.has_bare_lf);
	transaction_reset(s);
	return r;
}
