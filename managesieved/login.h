/* What managesieved says and understands before a login; the rest of it is lib/login. */
#ifndef MANAGESIEVED_LOGIN_H
#define MANAGESIEVED_LOGIN_H

#include "login/login.h"

/* Octets of a string of a SASL exchange: as POP3's. */
#define MANAGESIEVE_SASL_MAX 12288

extern const struct login_protocol managesieve_login_protocol;
void managesieve_login_serve(struct stream *io, const struct peer *peer);

#endif
