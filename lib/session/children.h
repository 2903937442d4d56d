/*
 * The parent's registry of users' processes: each of them is there from its fork to its end, with the connections
 * that it was given.
 */
#ifndef SESSION_CHILDREN_H
#define SESSION_CHILDREN_H

#include "base/list.h"
#include "session/internal.h"
#include "session/sleepers.h"
#include "task/task.h"

/* A user's process, as the parent sees it. */
struct child {
	struct list link;
	char *user, *mail;
	uid_t uid;
	pid_t pid; /* 0: has been waited for */
	struct ipc *join;
	enum {
		STARTING,
		READY,
		RESTING, /* may send its connections to sleep: gets no others meanwhile */
		LEFT,
		FAILED /* it never was ready */
	} state;
	struct account *account; /* RESTING: those that it has sent */
	struct waitlist changed;
	struct task_lock sending;
	unsigned references;
	struct list entries; /* its connections */
};

/* A connection, as `posta who` shows it. */
struct entry {
	struct list link; /* in child->entries */
	struct str session, address;
	int64_t since;
	bool secured;
};

/* struct child; for who is logged in. A wait may change it. */
extern struct list children_all;

/* Once more does no harm. */
void children_open(const struct session_program *program);
void children_start(void);
/* Gives the connection to the user's process, which is started if there is none. 0 or a negative errno. */
int hand_to_child(const struct user *user, const struct arrival *arrival);
void child_release(struct child *child);
size_t entry_count(const struct child *child);

#endif
