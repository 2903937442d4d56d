/*
 * What IMAP, POP3 and ManageSieve have in common before somebody has logged in: the limits for clients, TLS, the
 * loop over commands, SASL exchanges, and the hand-over of the connection to the session program.
 * Nothing here can read a mailbox.
 *
 * A protocol is one table (struct login_protocol) and its commands:
 *
 *	login_prepare(&protocol, &err)			before confinement
 *	login_serve(io, peer, &protocol)		a client, from greeting to goodbye or hand-over
 *	    protocol.greet(l)
 *	    protocol.command(l) ...			reads and handles one command; may call
 *		login_password(l, user, password)		LOGIN, PASS
 *		login_authenticate(l, mechanism, ...)		AUTHENTICATE, AUTH
 *		login_start_tls(l)				STARTTLS, STLS, when it has said so
 *
 * States: a connection is *waiting* from its greeting to its login, and counts in the crowd
 * (crowd.c); *busy* while auth decides, when it is not ended for others; then the session's.
 */
#ifndef LOGIN_LOGIN_H
#define LOGIN_LOGIN_H

#include "daemon/daemon.h"
#include "daemon/spare.h"
#include "tls/tls.h"

/* Why somebody is not let in: the protocol has a text for each. */
enum login_refusal {
	REFUSE_WRONG,	    /* the name or the password; nobody says which */
	REFUSE_DISABLED,    /* right, but the account may not log in */
	REFUSE_TEMPORARY,   /* auth or the session program cannot be asked now */
	REFUSE_UNAVAILABLE, /* the session program says why: appended to the text */
	REFUSE_MECHANISM,   /* not known, or not without TLS */
	REFUSE_PROTOCOL,    /* not what the mechanism expects */
	REFUSE_BASE64,	    /* no base64, or a line too long */
	REFUSE_CANCELLED,   /* by the client */
	REFUSE_PRIVACY,	    /* TLS comes first */
	LOGIN_REFUSALS
};
/* Why a connection ends; last words, whole lines. */
enum login_end { END_SHUTDOWN, END_IDLE, END_FAILURES, END_BAD_COMMANDS, END_CROWD, LOGIN_ENDS };

/* What a command returns beside a negative errno (the connection is over). */
enum { LOGIN_GO_ON, LOGIN_BAD /* counts as a bad command; answered */, LOGIN_END };

struct login;

struct login_protocol {
	const char *service; /* for auth, anvil and the log: "imap" */
	const char *session_service;
	const char *alpn;
	const char *refusals[LOGIN_REFUSALS];
	const char *ends[LOGIN_ENDS];
	/* Parameters, which are known only when the program has started. */
	bool (*tls_comes_first)(void);
	msec_t (*timeout)(void);       /* longest time until the login */
	msec_t (*relay_timeout)(void); /* longest silence of a session's client */
	int64_t (*bad_commands_max)(void);
	/* 0 or a negative errno. */
	int (*greet)(struct login *l);
	/* One command. */
	int (*command)(struct login *l);
	/* Writes a challenge, which is base64. NULL: as a line, "+ " in front. */
	int (*challenge)(struct login *l, struct view base64);
	/* A line of the client's side of an exchange; valid until the next call that waits. */
	int (*read_response)(struct login *l, struct view *line);
	/*
	 * Takes a mechanism's last word, base64, to be sent with the session's answer (`tag`). False, or
	 * NULL: it is a challenge like others.
	 */
	bool (*last_word)(struct login *l, struct view base64);
	/* Answers the present command: `text` is of `refusals`. LOGIN_GO_ON, LOGIN_BAD, or an errno. */
	int (*refuse)(struct login *l, const char *text);
	/*
	 * IMAP: of the present command, to be answered by the session. ManageSieve: the mechanism's last
	 * word, for that answer. May be NULL.
	 */
	struct view (*tag)(struct login *l);
};

struct login {
	const struct login_protocol *protocol;
	struct stream *io;
	const struct peer *peer;
	void *own;	    /* the protocol's */
	bool secured;	    /* under TLS */
	bool waits;	    /* is one of the crowd */
	struct spare spare; /* busy while auth has the word */
	int64_t bad_commands, failures;
	struct str user; /* that was tried last, for the log */
};

int login_prepare(const struct login_protocol *protocol, struct error *err);
/* For struct daemon_program. */
void login_start(void);
void login_serve(struct stream *io, const struct peer *peer, const struct login_protocol *protocol,
		 void *own);

/* TLS is there and not yet on. */
bool login_offers_tls(const struct login *l);
/* Nobody listens: under TLS, both ends are the same address (as Dovecot has it), or login_trusted_networks. */
bool login_is_private(const struct login *l);
/* A password may be sent here and now. */
bool login_may_send_password(const struct login *l);
/* After the client was told to begin: drops what it sent in the clear. 0 or a negative errno. */
int login_start_tls(struct login *l);
/* "PLAIN LOGIN ..." to announce now; 0 or a negative errno. */
int login_mechanisms(const struct login *l, struct str *names);
/* These two answer the command, or hand the connection over: then LOGIN_END. */
int login_password(struct login *l, struct view user, struct view password);
/* `initial`: base64, or "=" for an empty one; only if `given`. */
int login_authenticate(struct login *l, struct view mechanism, bool given, struct view initial);

#endif
