/* Folders that another program made, under names that are none here. */
#ifndef STORE_ADOPT_H
#define STORE_ADOPT_H

#include "base/str.h"

/*
 * The name that a folder gets whose directory is called "." and this; appended. -EINVAL: there is none.
 * "INBOX" in any case is below INBOX, "Inbox.X" is "INBOX.X", 8-bit text is taken as UTF-8 or Latin 1.
 */
int adopt_name(struct view raw, struct str *name);

#endif
