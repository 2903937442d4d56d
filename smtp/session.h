/*
 * One conversation with a server: made (connection, greeting, EHLO, STARTTLS, AUTH), used for
 * transactions one after the other, kept for a while in between.
 */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include "destination.h"
#include "failure.h"
#include "hosts.h"
#include "reply.h"
#include "services/clients.h"
#include "table/table.h"
#include "task/stream.h"
#include "tls_policy.h"

enum {
	CAN_PIPELINE = 1,
	CAN_8BITMIME = 2,
	CAN_SIZE = 4,
	CAN_STARTTLS = 8,
	CAN_AUTH = 16,
	CAN_DSN = 32,
	CAN_SMTPUTF8 = 64,
	CAN_XFORWARD = 128,
};

struct session {
	struct stream *io;
	struct str key;	    /* what it is kept under */
	struct str nexthop; /* as configured: the key of passwords */
	struct str host;    /* "mx.example" */
	struct str address; /* "192.0.2.1", empty for a path */
	struct str who;	    /* "mx.example[192.0.2.1]", for texts */
	struct str relay;   /* "mx.example[192.0.2.1]:25", for results */
	struct str mechanisms;
	struct str discarded; /* keywords that do not count */
	struct str xforward;  /* the attributes that it takes, a blank before each */
	struct reply reply;   /* the last one */
	const char *doing;    /* "sending RCPT TO": what a time-out or a lost connection ended */
	unsigned can;
	uint64_t size_limit;	/* 0: none told */
	enum tls_level level;	/* after what TLSA records said */
	struct dns_answer tlsa; /* level TLS_DANE ... */
	struct str tlsa_base;	/* ... and the name that these are of */
	bool is_esmtp, secured, authenticated;
	bool wants_helo; /* smtp_never_send_ehlo and its kin */
	bool own_port;	 /* look for ourselves at the other end */
	bool unusable;	 /* not for another transaction, not even QUIT */
	int64_t uses;	 /* transactions so far */
	msec_t opened;
};

/* What a message may ask of its session. */
struct session_wish {
	struct view sender;   /* for smtp_sender_dependent_authentication */
	bool may_give_up_tls; /* opportunistic TLS has failed for long enough */
	const struct destination *destination;
	const struct tls_policy *policy; /* of the destination */
};

/* Opening one (open.c). */
/* Reads the parameters and files of TLS and AUTH; before the chroot. */
int session_prepare(struct error *err);
/* Connects and introduces itself. NULL with the failure. */
struct session *session_open(const struct host *host, const struct session_wish *wish,
			     struct outcome *failure);
/* The same on a connection that is there already; takes the stream. */
struct session *session_start(struct stream *io, const struct host *host,
			      const struct session_wish *wish, struct outcome *failure);

/* Speaking (session.c). */
void session_free(struct session *session);
/* Says QUIT if that makes sense, waits for nothing, and frees. */
void session_quit(struct session *session);

/* Sends "COMMAND" with CR LF added; buffered. `doing` for what may go wrong until the answer. */
int session_send(struct session *session, const char *doing, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Reads the next reply into session->reply; the wait in all is `timeout`. */
int session_receive(struct session *session, msec_t timeout);
/* What a negative errno from the above means: "lost connection with ... while ...". */
void session_describe(struct session *session, int error, struct outcome *failure);

/* The AUTH exchange (auth.c). 0, also where there is nothing to do; -1 with the failure. */
int session_authenticate(struct session *session, const struct session_wish *wish,
			 struct outcome *failure);
int session_auth_prepare(struct error *err);

/* STARTTLS and the handshake (tls.c). */
int session_tls_prepare(struct error *err);
/* What the policy comes to for this host, into session->level. 0, or -1 with the failure. */
int session_choose_level(struct session *session, const struct host *host,
			 const struct session_wish *wish, struct outcome *failure);
/* 0; or -1 with the failure: then the session is unusable. */
int session_handshake(struct session *session, const struct session_wish *wish,
		      struct outcome *failure);

#endif
