/* What pop3d says and understands before a login; the rest of it is lib/login. */
#ifndef POP3D_LOGIN_H
#define POP3D_LOGIN_H

#include "login/login.h"

/* Octets of a command: RFC 2449 4 has 255 with the CR LF; clients with long passwords send more. */
#define POP3_LINE_MAX 1024
/* Octets of a line of a SASL exchange (RFC 5034 4). */
#define POP3_SASL_LINE_MAX 12288

extern const struct login_protocol pop3_login_protocol;
void pop3_login_serve(struct stream *io, const struct peer *peer);

#endif
