/* posta user list: one user. */
#ifndef TOOLS_USER_SHOW_H
#define TOOLS_USER_SHOW_H

#include "user/user.h"

/* To standard output. `logins`: with the last one, which auth is asked for. */
void user_show(const struct user *user, bool as_json, bool logins);

#endif
