/*
 * The network side of IMAP: greeting, TLS, login (RFC 3501 states "not authenticated" and what is
 * allowed in any state). Nothing here can read a mailbox; after the login the connection goes to
 * imapd-session (session/handover.h).
 */
#ifndef IMAPD_LOGIN_H
#define IMAPD_LOGIN_H

#include "daemon/daemon.h"
#include "imap/parser.h"
#include "tls/tls.h"

struct login {
	struct stream *io;
	const struct peer *peer;
	struct imap_parser *parser;
	struct tls_context *tls; /* NULL: none is configured */
	bool secured;
	unsigned bad_commands, failures;
	struct str log_user; /* for the log: the name that was tried last */
};

/* What a command's handler returns beside a negative errno (the connection is over). */
enum { LOGIN_GO_ON, LOGIN_BAD /* a syntax error, already answered */, LOGIN_END };

/* One client from greeting to goodbye or handover. `wrapped`: TLS comes first. */
void login_serve(struct stream *io, const struct peer *peer, struct tls_context *tls, bool wrapped);

/* "tag TEXT": the tagged answer to the present command. */
int login_reply(struct login *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* BAD with the parser's problem, or the stream's error handed on. */
int login_syntax(struct login *l, int r);
/* The capabilities of this moment, without "CAPABILITY" in front. */
void login_capabilities(const struct login *l, struct str *out);

/* login_auth.c */
int login_command_login(struct login *l);
int login_command_authenticate(struct login *l);

#endif
