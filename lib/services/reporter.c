/* The caller's side of reporter. Where it does not answer, what it does not hear of is in no report. */
#include "services/ask.h"
#include "services/clients.h"

#define REPORTER_IDLE_MAX     4
#define REPORTER_CONNECT_TIME ((msec_t)2 * 1000)
#define REPORTER_ANSWER_TIME  ((msec_t)30 * 1000)

static struct ipc_pool *reporter_pool(void)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, "private/reporter", REPORTER_IDLE_MAX, REPORTER_ANSWER_TIME);
}

int reporter_tell_seen(const struct msg_dmarc_seen *seen)
{
	struct message m;

	return service_ask_message(reporter_pool(), REPORTER_CONNECT_TIME, &m, MSG_done,
				   MSG_dmarc_seen, seen);
}
