/* posta user app-password, posta user master: passwords beside a user's own. */
#ifndef TOOLS_USER_APP_H
#define TOOLS_USER_APP_H

#include "base/view.h"

/* argv[0] is "app-password" or "master". A tool_status. */
int user_app_password(int argc, char **argv);
int user_master(int argc, char **argv);
/* A user is gone: so are all app passwords. A tool_status; what is wrong is told. */
int user_app_forget(struct view user);

#endif
