/* What the verbs about the queue say when something does not work. */
#ifndef TOOLS_QUEUE_FAILURE_H
#define TOOLS_QUEUE_FAILURE_H

#include "ipc/ipc.h"

/* The name it was called by: "queue", or "postqueue" and so on, which speak as Postfix's do. */
void queue_failure_set_command(const char *command);
bool queue_failure_as_postfix(void);
bool queue_failure_is_postqueue(void);
/* From now on nothing is said. */
void queue_failure_be_quiet(bool quiet);
/* "posta queue: ...", or "postqueue: fatal: ...". TOOL_NO. */
int queue_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "postqueue: warning: ...", or the same as above without an end. */
void queue_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What went wrong in an exchange, for people. Returns a tool status. */
int queue_failure(int r, const struct message *m);

#endif
