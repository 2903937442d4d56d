/*
 * The network side of POP3: the AUTHORIZATION state of RFC 1939, with CAPA (RFC 2449), STLS (RFC 2595)
 * and AUTH (RFC 5034). Nothing here can read a mailbox: after the login the connection goes to
 * pop3d-session (session/handover.h), which says the "+OK".
 */
#ifndef POP3D_LOGIN_H
#define POP3D_LOGIN_H

#include "daemon/daemon.h"
#include "tls/tls.h"

/* Octets of a command: RFC 2449 4 has 255 with the CR LF; clients with long passwords send more. */
#define POP3_LINE_MAX 1024
/* Octets of a line of a SASL exchange (RFC 5034 4). */
#define POP3_SASL_LINE_MAX 12288

struct login {
	struct stream *io;
	const struct peer *peer;
	struct tls_context *tls; /* NULL: none is configured */
	bool secured;
	bool has_user;
	struct str user;      /* of USER */
	struct str last_user; /* for the log */
	unsigned bad_commands, failures;
};

/* What a command's handler returns beside a negative errno (the connection is over). */
enum { LOGIN_GO_ON, LOGIN_BAD /* counts as an error; answered */, LOGIN_END };

/* One client from greeting to goodbye or handover. `wrapped`: TLS comes first. */
void login_serve(struct stream *io, const struct peer *peer, struct tls_context *tls, bool wrapped);

/* A line of answer, without CR LF. LOGIN_GO_ON or a negative errno. */
int login_reply(struct login *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for "-ERR ...", as LOGIN_BAD. */
int login_refuse(struct login *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A password may be sent here and now. */
bool login_may_send_password(const struct login *l);

/* login_auth.c */
int login_command_user(struct login *l, struct view argument);
int login_command_pass(struct login *l, struct view argument);
int login_command_auth(struct login *l, struct view argument);

#endif
