/* The programs that have sessions of users, and how a tool ends such sessions. */
#ifndef TOOLS_SESSIONS_H
#define TOOLS_SESSIONS_H

#include <stdint.h>

#include "base/view.h"

#define SESSION_SERVICES 3
extern const struct session_service {
	const char *name, *socket;
} session_services[SESSION_SERVICES];

/*
 * Ends the sessions of each user or address in `names` (one a line); after instance_find, outside
 * of tasks. How many, or -ENOTCONN: the suite does not run.
 */
int sessions_kick(struct view names);

#endif
