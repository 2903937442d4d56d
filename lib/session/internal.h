/*
 * What the files of this library share; nobody else includes it.
 *
 *	parent.c	the root process: cookies, users, who is logged in
 *	children.c	in it, the registry of users' processes (children.h)
 *	sleepers.c	in it, connections whose user has no process (sleepers.h)
 *	watching.c	what wakes them (watching.h)
 *	apart.c		memory that children do not get
 *	child.c		the user's process
 *	handover.c	the network side
 *	relay.c		bytes between TLS and the session
 */
#ifndef SESSION_INTERNAL_H
#define SESSION_INTERNAL_H

#include "session/session.h"
#include "user/user.h"

/* What a child is given at its birth. */
struct birthright {
	const struct session_program *program;
	const struct user *user;
	int join_fd;	   /* session_join comes in, done or auth_failed went out once */
	struct ipc *watch; /* anvil's; NULL: new mail is not signalled */
};

/* Zeroed memory that a child does not have after fork, so there is nothing of it in heap lists of the child. */
void *apart_new(size_t size) __attribute__((returns_nonnull));
void apart_free(void *memory, size_t size);

/* In the child: what the parent knew of its children is wiped. */
void children_forget(void);
/* In the child, right after fork; never returns. */
void child_live(const struct birthright *birth) __attribute__((noreturn));

/* Both ways until both have ended. `inner` is freed. */
void relay(struct stream *io, struct stream *inner, msec_t timeout);

#endif
