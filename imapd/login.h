/* What imapd says and understands before a login; the rest of it is lib/login. */
#ifndef IMAPD_LOGIN_H
#define IMAPD_LOGIN_H

#include "login/login.h"

extern const struct login_protocol imap_login_protocol;
void imap_login_serve(struct stream *io, const struct peer *peer);

#endif
