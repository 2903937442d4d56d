/*
 * What imapd-session, pop3d-session and managesieved-session share.
 *
 * A program is one table:
 *
 *	static const struct session_program program = {
 *		.service = "imap", .calls = CALLS_FILES_READ | CALLS_FILES_WRITE,
 *		.open = open_mailboxes, .serve = serve_connection, .new_mail = wake_idlers,
 *	};
 *	static void serve_ipc(struct ipc *ipc) { session_serve_ipc(ipc, &program); }
 *	... struct daemon_program: DAEMON_PRIVILEGED, CALLS_BECOME, .prepare = users_open,
 *	    .start = session_start, .serve_ipc = serve_ipc, .retire = session_retire
 *
 * The parent is root and parses nothing but messages of the suite: it redeems the cookie of a `session`
 * message, looks the user up itself, and keeps a registry user -> child. For a user without one it
 * forks: the child closes everything that is not its own, becomes the user (uid, gid, chroot to the
 * Maildir), confines itself, and serves all connections of that user, each as a task. Further
 * connections are handed to it as `session_join`. Its life ends when it has had no connection for
 * `idle_exit`, or when the parent ends or retires and its last connection has gone.
 *
 * Not running as root, the same happens without the change of user and root.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "daemon/daemon.h"
#include "ipc/ipc.h"
#include "task/stream.h"

/* The user whose process this is; valid for the life of the child. */
struct session_user {
	const char *name;    /* "alice@example.test" */
	const char *maildir; /* for store_open: "/" in the chroot */
	const char *extra;   /* extra fields of the user's line, "" if there are none */
	const char *quota;   /* rules for store/quota.h, "" if there are none */
};

/* One logged-in client. Its strings are valid until `serve` returns. */
struct session_client {
	const struct session_user *user;
	struct view
		tag; /* IMAP: of the command that logged in, to be answered; or as in struct session_bed */
	struct view state;   /* of one that slept; empty: it has just logged in */
	msec_t quiet;	     /* it slept, and has said nothing for so long */
	struct view address; /* of the client, as text */
	bool secured;	     /* TLS between client and network side */
};

/* What a connection leaves for the time when it sleeps. */
struct session_bed {
	struct str
		state; /* for the next process: bytes, never empty, IPC_STATE_MAX of them at most */
	struct str tag; /* of the IDLE that it is in, or empty: imapd answers DONE with it */
	uint8_t flags;	/* SLEEPER_... */
	msec_t quiet;	/* since the client said something */
};

struct session_program {
	const char *service; /* for auth: "imap", "pop3", "sieve" */
	unsigned calls;	     /* of the child: CALLS_FILES_READ ... */
	/*
	 * In the child, as the user, before it is confined. 0 or a negative errno with a reason: the
	 * clients get a temporary failure and the child ends. May be NULL.
	 */
	int (*open)(const struct session_user *user, struct error *err);
	/*
	 * A task for each connection. What the client had sent beyond the login is in the stream
	 * already. The stream is closed by the caller afterwards. Returning because of -ESHUTDOWN
	 * ends the connection with what the function wrote last.
	 */
	void (*serve)(struct stream *io, const struct session_client *client);
	/* Instead of serve, when there are too many connections. May be NULL: just closed. */
	void (*refuse)(struct stream *io, const struct session_client *client);
	/* New mail was delivered into this folder ("" or "INBOX"), says anvil. May be NULL. */
	void (*new_mail)(struct view folder);
	/* Before the child ends. May be NULL. */
	void (*close)(void);
	/* No connection for this long: the child ends. */
	msec_t (*idle_exit)(void);
	/*
	 * Connections of one user from one address at once; with one more, one of them gives way if there is
	 * one that can be spared, else it is refused. 0: no limit.
	 */
	int64_t (*connections_max)(void);
	/* Ends this one, if it idles; false: it does not. The oldest is asked first. May be NULL. */
	bool (*give_way)(struct stream *io);

	/* ---- whose connections can sleep (sleepers.h); all NULL: they cannot ---- */

	/* So long all connections are at rest before they sleep; 0: they never do. */
	msec_t (*sleep_after)(void);
	/*
	 * Since when all of them have been at rest; MSEC_FOREVER: one is not, or cannot sleep. Appends the
	 * folders that they look at, as in the message session_tired.
	 */
	msec_t (*resting_since)(struct str *folders);
	/* All of them: what may be done now need not be done by those who wake up. */
	void (*tidy_up)(void);
	/*
	 * One of them; does not wait, changes nothing. Negative: it cannot be done now. What is still to be
	 * read from its descriptor stays there.
	 */
	int (*lay_down)(struct stream *io, struct session_bed *bed);
};

/* In the child: the user has made room in a mailbox that was full. */
void session_tell_room(void);

/* The parent's functions, for struct daemon_program. */
void session_serve_ipc(struct ipc *ipc, const struct session_program *program);
void session_start(void);
void session_retire(void);

#endif
