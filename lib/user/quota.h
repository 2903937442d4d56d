/* The rules of a user's quota, as words for store/quota.h. user_find does this for whom it finds. */
#ifndef USER_QUOTA_H
#define USER_QUOTA_H

#include "base/error.h"
#include "base/str.h"

/* Opens mailbox_quota_maps (again); with the tables of users. */
int user_quota_open(struct error *err);
void user_quota_close(void);
/*
 * Appends mailbox_quota_rules and its kin, then what mailbox_quota_maps has for the name or its domain, then the
 * user's own fields (quota=, quota_rule=): of rules that say the same thing the last one counts. Negative errno: ask again
 * later.
 */
int user_quota_rules(struct view name, struct view fields, struct str *out, struct error *err);

#endif
