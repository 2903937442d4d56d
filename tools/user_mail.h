/* A mailbox user's mail, for who adds and deletes users. */
#ifndef TOOLS_USER_MAIL_H
#define TOOLS_USER_MAIL_H

#include "user/user.h"

/* There is mail of that name's, from before. */
bool user_mail_is_there(const struct user *user);
/* Removes it, with the user's own rights. 0 or a negative errno. */
int user_mail_purge(const struct user *user);

#endif
