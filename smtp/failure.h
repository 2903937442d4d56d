/* Why something could not be delivered: an outcome from what a server said. */
#ifndef SMTP_FAILURE_H
#define SMTP_FAILURE_H

#include "mail/outcome.h"
#include "reply.h"

/*
 * A reply that refuses: permanent if it begins with 5. "host `who` said: REPLY (in reply to
 * COMMAND command)", as Postfix writes it; without a command "host `who` refused to talk to me".
 */
void outcome_from_reply(struct outcome *failure, const struct reply *reply, const char *who,
			struct view relay, const char *command);

#endif
