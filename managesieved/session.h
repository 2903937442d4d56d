/*
 * The scripts' side of ManageSieve: the commands of RFC 5804 after a login, done as the user.
 *
 *	session.c	the conversation
 *	commands.c	each command
 *	answers.c	answers, and what comes of an error
 */
#ifndef MANAGESIEVED_SESSION_H
#define MANAGESIEVED_SESSION_H

#include "parser.h"
#include "session/session.h"

struct managesieve {
	const struct session_client *client;
	const char *maildir;
	struct managesieve_parser parser;
	unsigned bad_commands, stored, removed;
};

/* What a command's handler returns beside a negative errno (the connection is over). */
enum { MANAGESIEVE_GO_ON, MANAGESIEVE_BAD /* counts as an error; answered */, MANAGESIEVE_LEAVE };

struct managesieve_command {
	const char *name;
	int (*handle)(struct managesieve *m);
};

/* ---- commands.c ---- */

/* NULL: there is none of that name. */
const struct managesieve_command *managesieve_command_find(struct view name);

/* ---- answers.c ---- */

int managesieve_ok(struct managesieve *m, const char *code, struct view text);
int managesieve_no(struct managesieve *m, const char *code, struct view text);
/* What the parser returned, which was not 0. */
int managesieve_syntax(struct managesieve *m, int r);
/* What lib/sieve/scripts.h returned, which was not 0; what is not the client's matter is logged. */
int managesieve_failed(struct managesieve *m, const char *what, int r, const struct error *err);

/* ---- session.c ---- */

/* One client from "OK" to goodbye. */
void managesieve_session_serve(struct stream *io, const struct session_client *client);

#endif
