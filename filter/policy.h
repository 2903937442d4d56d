/*
 * Policy servers (check_policy_service): attributes go out, one line of what to do comes back.
 * Connections are kept, one request at a time on each.
 */
#ifndef FILTER_POLICY_H
#define FILTER_POLICY_H

#include "base/str.h"
#include "ipc/ipc.h"

/*
 * One answer, as it comes in pieces: "action=text", an empty line. 1 when it is whole (the text
 * appended), 0 when there is more to come, -EBADMSG: this is no answer.
 */
#define POLICY_ACTION_MAX IPC_TEXT_MAX
struct policy_reply {
	struct str line;
	struct str action;
	bool has_action;
};
int policy_reply_feed(struct policy_reply *reply, struct view bytes, size_t *used);
void policy_reply_free(struct policy_reply *reply);

/* Asks; waits as a task. 0 with the action, or a negative errno, which has been logged. */
int policy_server_ask(const struct msg_policy_ask *question, struct str *action);
void policy_servers_close(void);

#endif
