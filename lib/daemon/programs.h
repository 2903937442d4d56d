/*
 * The programs that master runs, as a table (programs.def): as whom each runs, where, how many of
 * it, when it ends, and who may say what to it. master plans by it, lib/daemon confines and admits
 * by it, the tool makes the users that it names; man pages and tests are made from it.
 *
 *	const struct program *p = program_find("cleanup");
 *	if (!program_admits(p, "private/cleanup", uid, &may_send))
 *		refuse
 */
#ifndef DAEMON_PROGRAMS_H
#define DAEMON_PROGRAMS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "ipc/ipc.h"

enum daemon_user {
#define USER(id, parameter, doc) DAEMON_##id,
#define PROGRAM(name, user, root, calls, count, wave, doc)
#define PEER(socket, client, ...)
#define END
#include "daemon/programs.def"
#undef USER
#undef PROGRAM
#undef PEER
#undef END
	DAEMON_USERS,
	DAEMON_PRIVILEGED = DAEMON_USERS /* root stays */
};

enum daemon_root {
	DAEMON_ROOT_EMPTY, /* queue_directory/sockets: nothing but sockets */
	DAEMON_ROOT_QUEUE,
	DAEMON_ROOT_NONE
};

enum program_count { PROGRAM_ONE, PROGRAM_MANY };

/* Of the orderly stop: each ends when the ones before it have ended. */
enum program_wave {
	/* What strangers talk to, while all that it needs for its last words is there; the session
	 * programs with it, for they say good-bye through the network side. */
	WAVE_CLIENTS,
	WAVE_QUEUE, /* waits for the results of the deliveries that it has given out */
	WAVE_REST,
	WAVE_LAST, /* what the others need until their end */
	WAVE_END
};

enum program_socket { SOCKET_PRIVATE, SOCKET_PUBLIC };

#define PEER_MESSAGES_MAX 15
#define PEER_ANYBODY	  "anybody"
#define PEER_ROOT	  "root" /* master; or the one user where nothing runs as root */

struct program_peer {
	enum program_socket socket;
	const char *client; /* a program's name, or one of the above; NULL ends the list */
	enum message_type messages[PEER_MESSAGES_MAX + 1]; /* ended by MSG_none */
};

struct program {
	const char *name;
	enum daemon_user user;
	enum daemon_root root;
	unsigned calls; /* CALLS_..., daemon.h */
	enum program_count count;
	enum program_wave wave;
	const char *doc;
	const struct program_peer *peers;
};

/* NULL: there is none of that name. */
const struct program *program_find(const char *name);
/* The n-th of them; NULL after the last. */
const struct program *program_at(size_t n);

/* Whom a user's parameter names; "root" for DAEMON_PRIVILEGED. Needs conf_load. */
const char *program_user_name(enum daemon_user user);
/* The parameter ("mail_owner"), its default, and what the user is for. */
const char *program_user_parameter(enum daemon_user user);
const char *program_user_default(enum daemon_user user);
const char *program_user_doc(enum daemon_user user);

/*
 * Learns the users' numbers, while the system's files can still be read. Not `as_root`: there is
 * only the one that we run as. -EINVAL with a reason: one does not exist, or has root's rights.
 */
int program_users_find(bool as_root, struct error *err);
/*
 * What a process of this uid may send to that socket ("private/cleanup") of the program. False:
 * nothing, it is not to be let in.
 */
bool program_admits(const struct program *server, const char *socket_name, uid_t uid,
		    struct message_set *may_send);

#endif
