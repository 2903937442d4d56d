/*
 * Which local users may do something (authorized_submit_users and its kin), asked by uid on a
 * socket. Opened before the chroot, where the names after the uids can still be looked up.
 */
#ifndef QUEUE_PERMIT_H
#define QUEUE_PERMIT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

struct permit;
/* `parameter` is its name for messages, `list` its value. NULL with a reason in err. */
struct permit *permit_open(const char *parameter, const char *list, struct error *err);
void permit_close(struct permit *permit);
/* 1, 0, or a negative errno when a table cannot answer now. `name` (NULL allowed) is set. */
int permit_ask(const struct permit *permit, uid_t uid, struct str *name);

#endif
