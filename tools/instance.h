/* What posta start, stop, reload and status have in common: finding the instance and its master. */
#ifndef TOOLS_INSTANCE_H
#define TOOLS_INSTANCE_H

#include <stdbool.h>

#include "ipc/ipc.h"

/*
 * Where the sockets are. Reads main.cf without a word about its errors: an instance can be stopped
 * whatever was done to its configuration since.
 */
bool instance_find(const char *verb);
/*
 * Connects to master's socket and calls `talk` as a task; returns its status, or TOOL_NO with
 * "not running".
 */
int instance_ask(const char *verb, int (*talk)(struct ipc *ipc));

#endif
