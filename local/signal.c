/*
 * Signals of new mail, which anvil passes on to the sessions of the user, and of mailboxes that are full. A delivery
 * does not wait for them: a task of its own tells anvil of all users that have come together, each once.
 */
#include <errno.h>

#include "base/list.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "local.h"
#include "services/clients.h"
#include "task/task.h"

/* So long do signals gather. */
#define GATHER	((msec_t)10)
#define AT_ONCE 64
/* More are not kept: a session that misses one finds the mail at its next command. */
#define WAITING_MAX 1000

struct news {
	struct list link;
	struct str user;
	bool came; /* mail did */
	bool full; /* what happened last */
};

static struct {
	struct list waiting;
	size_t count;
	bool running;
} signals = { .waiting = { &signals.waiting, &signals.waiting } };

static struct news *signal_take(void)
{
	struct news *n = LIST_FIRST(&signals.waiting, struct news, link);

	if (n != NULL) {
		list_remove(&n->link);
		signals.count--;
	}
	return n;
}

static void signal_forget(struct news *n)
{
	str_free(&n->user);
	free(n);
}

static int signal_some(void)
{
	struct news *taken[AT_ONCE];
	struct view users[AT_ONCE];
	size_t count = 0, came = 0;
	int r = 0;

	while (count < AT_ONCE && (taken[count] = signal_take()) != NULL) {
		if (taken[count]->came)
			users[came++] = str_view(&taken[count]->user);
		count++;
	}
	if (came > 0)
		r = anvil_new_mails(users, came, VIEW("INBOX"));
	/* After it: mail that comes says that there is room. */
	for (size_t i = 0; i < count && r == 0; i++)
		if (taken[i]->full)
			r = anvil_tell_full(str_view(&taken[i]->user));

	for (size_t i = 0; i < count; i++)
		signal_forget(taken[i]);
	return r;
}

static void signal_all(void *unused)
{
	int r = 0;

	(void)unused;
	task_sleep(GATHER);
	while (r == 0 && !list_is_empty(&signals.waiting))
		r = signal_some();
	/* Without anvil nobody waits for signals. */
	for (struct news *n; (n = signal_take()) != NULL;)
		signal_forget(n);
	signals.running = false;
	daemon_work_end();
}

/* Those of one user are one. NULL: there are too many. */
static struct news *signal_of(struct view user)
{
	struct news *n;

	list_for_each (&signals.waiting, struct news, link, waiting)
		if (view_eq(str_view(&waiting->user), user))
			return waiting;
	if (signals.count == WAITING_MAX)
		return NULL;
	n = mem_new(struct news);
	str_append(&n->user, user);
	list_push_back(&signals.waiting, &n->link);
	signals.count++;
	return n;
}

void signal_mailbox(struct view user, bool full)
{
	struct news *n = signal_of(user);

	if (n == NULL)
		return;
	n->full = full;
	n->came |= !full;
	if (signals.running)
		return;
	signals.running = true;
	daemon_work_begin();
	task_spawn("signals", signal_all, NULL);
}
