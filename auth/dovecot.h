/*
 * Asking an authentication server of Dovecot's (smtpd_sasl_type = dovecot), for whatever mechanism
 * it has: what it and the client say to each other is carried, not understood. One exchange at a
 * time on each connection; idle ones are kept. What it says is read by dovecot_reply.c.
 */
#ifndef AUTH_DOVECOT_H
#define AUTH_DOVECOT_H

#include "auth.h"

struct dovecot_server;

/* `path` as smtpd_sasl_path: "private/auth", "unix:path", "inet:host:port". */
struct dovecot_server *dovecot_server_new(struct view path);
/* Needs the network. */
bool dovecot_server_is_remote(const struct dovecot_server *server);
/* Appends "PLAIN LOGIN ...". 0, or a negative errno with the reason. Waits. */
int dovecot_mechanisms(struct dovecot_server *server, struct view refused, struct str *names,
		       struct error *err);
/* As mechanisms of exchange.c: also EXCHANGE_UNKNOWN. */
int dovecot_run(struct exchange *x, struct dovecot_server *server, struct view refused);

#endif
