/* When somebody last logged in: auth knows. */
#ifndef TOOLS_USER_LOGINS_H
#define TOOLS_USER_LOGINS_H

#include "base/str.h"

/*
 * The time (seconds) by that app password, or any password where it is empty; *text gets it for people, "2026-11-29 17:00
 * imap 192.0.2.1". 0: not known; a negative errno: the suite does not run. After instance_find, outside of tasks.
 */
int64_t user_last_login(struct view user, struct view app_password, struct str *text);

#endif
