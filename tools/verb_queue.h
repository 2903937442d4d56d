/* Between verb_queue.c, verb_queue_list.c and verb_queue_show.c. */
#ifndef TOOLS_VERB_QUEUE_H
#define TOOLS_VERB_QUEUE_H

#include "ipc/ipc.h"

/* mailq's list, or one JSON object a line. `id` empty: all. */
int queue_list(struct ipc *ipc, const char *id, bool as_json);

enum { SHOW_ENVELOPE = 1, SHOW_HEADER = 2, SHOW_BODY = 4 };
/* What is in the queue file. */
int queue_show(struct ipc *ipc, const char *id, unsigned parts);

/* What went wrong in an exchange, for people. Returns a tool status. */
int queue_failure(int r, const struct message *m);

#endif
