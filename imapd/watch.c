/*
 * All connections of a user, and what wakes those that idle: what another of them did, new mail, and, by one
 * watch on the store for all, what other processes do. Where that watch is not to be had, idling connections
 * look by themselves now and then (cmd_idle.c).
 */
#include <unistd.h>

#include "base/mem.h"
#include "session.h"

/* There are few. */
struct list imap_sessions = { &imap_sessions, &imap_sessions };

void imap_sessions_join(struct imap_session *s)
{
	WAITLIST_INIT(&s->new_mail);
	list_push_back(&imap_sessions, &s->link);
}

void imap_sessions_wake(const struct imap_session *but)
{
	imap_sessions_each(s)
	{
		if (s == but)
			continue;
		s->mail_came = true;
		wake_all(&s->new_mail);
	}
}

/* Lives as long as its task. */
struct watch {
	int fd; /* -1: it has ended */
};

static struct watch *watch;
static unsigned idling; /* connections */

static void watch_end(struct watch *w)
{
	int fd = w->fd;

	w->fd = -1;
	if (watch == w)
		watch = NULL;
	if (fd < 0)
		return;
	task_forget_fd(fd);
	close(fd);
}

static void watch_wait(void *argument)
{
	struct watch *w = argument;

	while (w->fd >= 0 && task_wait_readable(w->fd, MSEC_FOREVER) == 0) {
		store_watch_drain(w->fd);
		imap_sessions_wake(NULL);
	}
	watch_end(w);
	free(w);
}

void imap_watch_begin(void)
{
	int fd = idling++ == 0 ? store_watch_open() : -1;

	if (fd < 0)
		return;
	watch = mem_new(struct watch);
	watch->fd = fd;
	task_spawn("watch", watch_wait, watch);
}

bool imap_watch_add(struct imap_session *s)
{
	return watch == NULL || store_watch(s->store, s->mailbox, watch->fd) == 0;
}

bool imap_watch_is_all(void)
{
	unsigned count = 0;

	imap_sessions_each(s) count++;
	return idling >= count;
}

void imap_watch_end(void)
{
	if (--idling == 0 && watch != NULL)
		watch_end(watch);
}
