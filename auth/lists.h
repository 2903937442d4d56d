/* Tables of auth's own beside the users: read again when they have changed, empty while nobody has made them. */
#ifndef AUTH_LISTS_H
#define AUTH_LISTS_H

#include "base/error.h"
#include "base/str.h"

enum auth_list { LIST_DENIED, LIST_APP_PASSWORDS, LIST_MASTERS, AUTH_LISTS };

/* Before confinement. */
int lists_prepare(struct error *err);
/* 1 with the value, 0, or a negative errno with the reason. The key is folded to lower case. Waits. */
int lists_find(enum auth_list which, struct view key, struct str *value, struct error *why);

#endif
