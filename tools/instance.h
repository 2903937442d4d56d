/* What posta start, stop, reload, status have in common: finding the instance and its master. */
#ifndef TOOLS_INSTANCE_H
#define TOOLS_INSTANCE_H

#include <stdbool.h>

#include "base/str.h"
#include "ipc/ipc.h"

/*
 * Where the sockets are. Reads main.cf without a word about its errors: an instance can be stopped
 * whatever was done to its configuration since.
 */
bool instance_find(const char *verb);
/* The program: libexec/posta/master beside bin/posta, in the build tree and where it is installed. */
bool instance_find_master(struct str *path);
/*
 * Connects to master's socket and calls `talk` as a task; returns its status, or TOOL_NO with
 * "not running".
 */
int instance_ask(const char *verb, int (*talk)(struct ipc *ipc));
/* The same for what anybody may ask: master where we may, else the program "status". */
int instance_ask_status(const char *verb, int (*talk)(struct ipc *ipc));

/* The connection of instance_ask_status, after instance_find; NULL with errno. In a task. */
struct ipc *instance_connect_status(void);
/*
 * Nothing answers for the instance, not even what anybody may ask; after instance_find. False too
 * where that cannot be told. In a task.
 */
bool instance_is_down(void);
/* A connection to another program, "private/anvil", after instance_find; NULL with errno. In a task. */
struct ipc *instance_connect(const char *service);

#endif
