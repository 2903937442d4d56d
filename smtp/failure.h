/* Why something could not be delivered, kept until it is known whether another host can do it. */
#ifndef SMTP_FAILURE_H
#define SMTP_FAILURE_H

#include <stdbool.h>

#include "base/str.h"
#include "ipc/ipc.h"
#include "reply.h"

struct failure {
	bool is_set, permanent;
	char status[IPC_STATUS_MAX];
	struct str text;
	struct str relay; /* "host[address]:port", or empty */
};

void failure_free(struct failure *failure);
void failure_set(struct failure *failure, bool permanent, const char *status, struct view relay,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));
/*
 * A reply that refuses: permanent if it begins with 5. "host `who` said: REPLY (in reply to
 * COMMAND command)", as Postfix writes it; without a command "host `who` refused to talk to me".
 */
void failure_from_reply(struct failure *failure, const struct reply *reply, const char *who,
			struct view relay, const char *command);
void failure_copy(struct failure *to, const struct failure *from);
/* For now only: what would be permanent is worth another attempt. */
void failure_soften(struct failure *failure);

#endif
