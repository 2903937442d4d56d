/*
 * The parent's knowledge of connections that sleep: their user has no process, and imapd has the descriptors
 * (imapd/keeper.h).
 *
 * A user's connections sleep all together or not at all, so that nobody has to tell those who sleep what others
 * of the user do. Such a user is an *account* here:
 *
 *	account_begin		the user's process is tired: the folders are watched from here on
 *	account_take		a connection is given to imapd, with a number that means something between that
 *				process of imapd and this one only; what the next process of the user needs is
 *				kept here and read by nobody
 *	account_settle		the process has ended, or has changed its mind
 *	  ... something happens in a watched folder, a client says something, somebody logs in ...
 *	hand()			each connection that imapd gives back goes to the user's next process
 *
 * What imapd can do: give back a number that it was given, with a descriptor of its choice. It cannot say whose
 * it is. The memory of accounts is not there in a child (apart.c).
 */
#ifndef SESSION_SLEEPERS_H
#define SESSION_SLEEPERS_H

#include <sys/types.h>

#include "ipc/ipc.h"

/* A connection on its way to a user's process. */
struct arrival {
	struct view session, tag, input, address, state;
	int64_t since;	/* of its login, seconds */
	uint32_t quiet; /* milliseconds */
	bool secured;
	int connection; /* stays the caller's */
};

struct account;

/*
 * `hand` gives a connection to the user's process, which it starts if there is none. 0, or a negative errno: the
 * client is told good-bye. Again does no harm.
 */
void sleepers_open(int (*hand)(const char *user, const struct arrival *arrival));
/* In a child after fork: nothing of it is there any more. */
void sleepers_forget(void);

/*
 * The user's process has so many connections at rest, which look at these folders (session_tired). NULL: they
 * cannot sleep now. The folders are directories of `owner` in `mail`.
 */
struct account *account_begin(const char *user, const char *mail, uid_t owner, struct view folders,
			      size_t connections);
/* Takes its descriptor. */
void account_take(struct account *account, const struct arrival *arrival, uint8_t flags);
/* Nothing more is taken; if nothing was, all is as before. */
void account_settle(struct account *account);

/* Somebody logs in as this user: wakes the others first, and waits until they are there. */
void sleepers_wake(const char *user);
/* Serves a process of imapd that offers to keep so many. */
void sleepers_serve(struct ipc *ipc, uint32_t room);
/* This process is replaced: what sleeps stays here. */
void sleepers_retire(void);

/* For `posta who` and `posta kick`. `each` may not wait. */
struct sleeper_view {
	struct view user, address, session;
	int64_t since;
	bool secured;
};
void sleepers_each(void (*each)(void *argument, const struct sleeper_view *sleeper),
		   void *argument);
/* Those of this user, or from this address; how many there are. */
uint32_t sleepers_kick(struct view who);

#endif
