/* What all sessions of this process share: tables and keys, opened before it was confined. */
#ifndef SMTPD_SERVER_H
#define SMTPD_SERVER_H

#include <stdbool.h>

#include "base/error.h"
#include "policy/policy.h"
#include "route/route.h"
#include "services/clients.h"
#include "table/table.h"
#include "task/stream.h"
#include "tls/tls.h"

enum tls_level { TLS_NONE, TLS_MAY, TLS_ENCRYPT };
enum bare_newline {
	BARE_NEWLINE_NO,
	BARE_NEWLINE_NORMALIZE,
	BARE_NEWLINE_NOTE,
	BARE_NEWLINE_REJECT
};

/* EHLO keywords that may be left out by smtpd_discard_ehlo_keywords. */
enum ehlo_keyword {
	EHLO_PIPELINING = 1,
	EHLO_SIZE = 2,
	EHLO_VRFY = 4,
	EHLO_STARTTLS = 8,
	EHLO_AUTH = 16,
	EHLO_STATUS_CODES = 32,
	EHLO_8BITMIME = 64,
	EHLO_DSN = 128,
	EHLO_SMTPUTF8 = 256,
	EHLO_CHUNKING = 512,
	EHLO_ETRN = 1024,
	EHLO_XFORWARD = 2048,
	EHLO_XCLIENT = 4096,
};

struct server {
	bool is_lmtp; /* smtpd_protocol */
	struct routes *routes;
	struct policy *policy;
	struct tables *command_filter; /* what a command line becomes before it is read */
	struct tls_context *tls;       /* NULL: none */
	enum tls_level tls_level;
	enum bare_newline bare_newline;
	struct matchlist *login_exceptions;
	struct matchlist *forbidden_commands, *event_exceptions, *bare_newline_exclusions,
		*auth_exceptions, *xforward_addresses, *xforward_names, *xclient_addresses,
		*xclient_names, *auth_filter;
	char *auth_server; /* "dovecot:private/auth"; empty: the suite's own users */
	/* The service in master.cf, as anvil counts by. */
	const char *service;
};
extern struct server server;

/* Opens everything. 0, or a negative errno with a reason. Before the chroot. */
int server_open(struct error *err);
void server_close(void);
/* "PLAIN LOGIN" of auth, remembered for a while; empty if auth does not answer. Waits. */
struct view server_mechanisms(bool secured);
/* A login needs TLS: smtpd_tls_auth_only, or all mail does. */
bool server_wants_tls_for_auth(void);
/* smtpd_sasl_mechanism_filter lets it pass. */
bool server_lets_mechanism(struct view name);
/* Who judges, and which mechanisms do not count; the client itself is the caller's to add. */
struct auth_client server_auth_client(bool secured);

#endif
