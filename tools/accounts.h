/* The system users that the suite's programs run as. For root only. */
#ifndef TOOLS_ACCOUNTS_H
#define TOOLS_ACCOUNTS_H

#include <sys/types.h>

#include "base/error.h"
#include "daemon/programs.h"

/* Whom the mail of mailbox users belongs to, by default. */
#define ACCOUNT_VMAIL "vmail"

struct account {
	uid_t uid;
	gid_t gid;
};

struct accounts {
	struct account of_programs[DAEMON_USERS];
	struct account vmail;
};

/* Adds those that are missing, by their default names, and looks all up. 0 or a negative errno. */
int accounts_make(struct accounts *accounts, struct error *err);
/* Adds those of the loaded configuration that are missing and have their default names. */
int accounts_add_missing(struct error *err);

#endif
