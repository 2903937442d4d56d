/* One question, one answer, and the connection goes back to where it came from. What is asked others know. */
#include "services/ask.h"

#include <errno.h>

int service_ask_message(struct ipc_pool *pool, msec_t connect_time, struct message *answer,
			enum message_type expected, enum message_type type, const void *fields)
{
	struct ipc *ipc;
	int r = ipc_exchange_message(pool, clock_after(connect_time), &ipc, answer, type, fields);

	if (r < 0)
		return r;
	if (answer->type != expected) {
		message_close_fd(answer);
		r = -EBADMSG;
	}
	ipc_pool_put(pool, ipc, r == 0);
	return r;
}
