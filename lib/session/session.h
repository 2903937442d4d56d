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
	struct view tag;     /* IMAP: of the command that logged in, to be answered */
	struct view address; /* of the client, as text */
	bool secured;	     /* TLS between client and network side */
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
	/* Connections of one user from one address at once; more are refused. 0: no limit. */
	int64_t (*connections_max)(void);
};

/* In the child: the user has made room in a mailbox that was full. */
void session_tell_room(void);

/* The parent's functions, for struct daemon_program. */
void session_serve_ipc(struct ipc *ipc, const struct session_program *program);
void session_start(void);
void session_retire(void);

#endif
