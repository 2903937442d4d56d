/*
 * IDLE (RFC 2177). Two things may end the wait: the client's DONE, or a change to tell. The
 * connection's task waits for the client; a second task waits for changes and tells them, since
 * both wait on the same stream in different directions.
 */
#include <errno.h>
#include <malloc.h>

#include "conf/conf.h"
#include "fetch.h"

/* How often the mailbox is looked at without a signal: where nothing can be watched (watch.c). */
#define IDLE_POLL (30 * 1000)

struct idling {
	struct imap_session *s;
	bool done;		  /* the client has ended it */
	struct waitlist finished; /* the teller is gone */
	bool gone;
	int result;
};

/* An idle connection may stay for hours: it keeps nothing that can be had again. */
static void idle_let_go(struct imap_session *s)
{
	opened_message_close(s->message);
	if (imap_watch_is_all()) {
		store_rest(s->store);
		malloc_trim(0);
	}
	task_trim_stack();
}

/* Tells changes until the idling is over. Nobody else writes to the stream meanwhile. */
static void idle_tell(void *argument)
{
	struct idling *idling = argument;
	struct imap_session *s = idling->s;
	msec_t still_here = clock_after(param.imap_idle_notify_interval);
	int r = 0;

	while (!idling->done && r == 0) {
		bool watched = imap_watch_add(s);

		r = imap_send_changes(s, true);
		/* Looking made it. */
		if (r == 0 && !watched && imap_watch_add(s))
			continue;
		if (r == 0 && clock_now() >= still_here) {
			r = stream_printf(s->io, "* OK Still here\r\n");
			still_here = clock_after(param.imap_idle_notify_interval);
		}
		if (r == 0)
			r = stream_flush(s->io);
		store_settle(s->store, STORE_SETTLE_BATCH);
		if (idling->done || r < 0 || s->mail_came)
			continue;
		idle_let_go(s);
		if (!idling->done && !s->mail_came)
			wait_on(&s->new_mail, clock_after(IDLE_POLL));
	}
	idling->result = r;
	/* A connection that cannot be written to is of no use any more: wake its reader. */
	if (r < 0)
		shutdown(stream_fd(s->io), SHUT_RD);
	idling->gone = true;
	wake_all(&idling->finished);
}

int imap_command_idle(struct imap_session *s)
{
	struct idling idling = { .s = s };
	struct view line = VIEW_NONE;
	int r = imap_end(s->parser);

	if (r == 0)
		r = stream_printf(s->io, "+ idling\r\n");
	if (r == 0)
		r = stream_flush(s->io);
	if (r < 0)
		return r;
	WAITLIST_INIT(&idling.finished);
	imap_watch_begin();
	task_spawn("idle", idle_tell, &idling);
	task_trim_stack();
	r = imap_parser_line(s->parser, &line);

	bool done = r == 0 && view_is_nocase(view_trim(line), "DONE");

	idling.done = true;
	wake_all(&s->new_mail);
	while (!idling.gone)
		wait_on(&idling.finished, clock_after(1000));
	imap_watch_end();
	if (idling.result < 0)
		return idling.result;
	if (r < 0 && r != -EMSGSIZE)
		return r;
	return done ? imap_ok(s, "Idle completed.") : imap_bad(s, "Expected DONE.");
}
