/* What the files of this library share. */
#ifndef LOGIN_INTERNAL_H
#define LOGIN_INTERNAL_H

#include "login/login.h"

/* ---- crowd.c ---- */

int crowd_prepare(struct error *err);
/* Counts a client that came. False: too many of its network, and none of them gives way. */
bool crowd_enter(struct login *l);
/* It has logged in, or is gone. May be called again. */
void crowd_leave(struct login *l);

/* ---- tls.c ---- */

int login_tls_prepare(const struct login_protocol *protocol, struct error *err);

/* ---- exchange.c ---- */

int login_refuse(struct login *l, enum login_refusal why, const char *detail);

#endif
