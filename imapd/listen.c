/*
 * Telling changes while the client says nothing: in IDLE (RFC 2177), and between commands where NOTIFY (RFC 5465) wants
 * that. The connection's task waits for the client; a second task waits for changes and tells them, since both wait on the
 * same stream in different directions.
 */
#include <errno.h>
#include <malloc.h>
#include <sys/socket.h>

#include "conf/conf.h"
#include "fetch.h"

/* How often the mailbox is looked at without a signal: where nothing can be watched (watch.c). */
#define LISTEN_POLL  (30 * 1000)
#define LISTEN_AGAIN 50

/* An idle connection may stay for hours: it keeps nothing that can be had again. */
static void listen_let_go(struct imap_session *s)
{
	opened_message_close(s->message);
	if (imap_watch_is_all()) {
		store_rest(s->store);
		malloc_trim(0);
	}
	task_trim_stack();
}

static int listen_look(struct listening *l)
{
	struct imap_session *s = l->s;
	int r = imap_send_changes(s, l->expunges);

	if (r == 0 && s->hooks != NULL)
		r = s->hooks->elsewhere(s);
	l->again = r > 0;
	return MIN(r, 0);
}

/* Nobody else writes to the stream meanwhile. */
static void listen_tell(void *argument)
{
	struct listening *l = argument;
	struct imap_session *s = l->s;
	msec_t still_here = clock_after(param.imap_idle_notify_interval);
	int r = 0;

	while (!l->done && r == 0) {
		bool watched = imap_watch_add(s);

		s->mail_came = false;
		r = listen_look(l);
		/* Looking made it. */
		if (r == 0 && !watched && imap_watch_add(s))
			continue;
		if (r == 0 && l->still_here && clock_now() >= still_here) {
			r = stream_printf(s->io, "* OK Still here\r\n");
			still_here = clock_after(param.imap_idle_notify_interval);
		}
		if (r == 0)
			r = stream_flush(s->io);
		store_settle(s->store, STORE_SETTLE_BATCH);
		if (l->done || r < 0 || s->mail_came)
			continue;
		listen_let_go(s);
		if (!l->done && !s->mail_came)
			wait_on(&s->new_mail, clock_after(l->again ? LISTEN_AGAIN : LISTEN_POLL));
	}
	l->result = r;
	/* A connection that cannot be written to is of no use any more: wake its reader. */
	if (r < 0)
		shutdown(stream_fd(s->io), SHUT_RD);
	l->gone = true;
	wake_all(&l->finished);
}

void imap_listen_begin(struct listening *l)
{
	WAITLIST_INIT(&l->finished);
	imap_watch_begin();
	task_spawn("listen", listen_tell, l);
	task_trim_stack();
}

int imap_listen_end(struct listening *l)
{
	l->done = true;
	wake_all(&l->s->new_mail);
	while (!l->gone)
		wait_on(&l->finished, clock_after(1000));
	imap_watch_end();
	return l->result;
}
