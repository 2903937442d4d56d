/*
 * The caller's side of filter: questions to other people's policy servers, and connections that
 * filter makes for programs that may make none.
 */
#include <errno.h>

#include "services/clients.h"

#define FILTER_CONNECT_TIME ((msec_t)10000)
#define FILTER_IDLE_MAX	    20
/* Beyond what the question itself may take. */
#define FILTER_PATIENCE ((msec_t)30000)

int filter_policy_ask(const struct msg_policy_ask *question, struct str *action)
{
	static struct ipc_pool *pool;
	struct ipc *ipc;
	struct message m;

	if (pool == NULL)
		pool = ipc_pool_new("private/filter", FILTER_IDLE_MAX);
	ipc_pool_set_timeout(pool,
			     FILTER_PATIENCE + (msec_t)question->try_limit *
						       (question->timeout + question->retry_delay));

	int r = ipc_exchange_message(pool, clock_after(FILTER_CONNECT_TIME), &ipc, &m,
				     MSG_policy_ask, question);

	if (r < 0)
		return r;
	if (m.type != MSG_policy_answered || m.policy_answered.answered > 1)
		r = -EBADMSG;
	else if (!m.policy_answered.answered)
		r = -EAGAIN;
	else
		str_append(action, m.policy_answered.action);
	ipc_pool_put(pool, ipc, r != -EBADMSG);
	return r;
}

int filter_connect(struct view endpoint, msec_t timeout)
{
	struct ipc *ipc = ipc_connect("private/filter", clock_after(FILTER_CONNECT_TIME));
	struct message m;
	int r;

	if (ipc == NULL)
		return -errno;
	ipc_set_timeout(ipc, timeout + FILTER_PATIENCE);
	r = ipc_send(ipc, endpoint_open, .endpoint = endpoint, .timeout = (uint32_t)timeout);
	if (r == 0)
		r = ipc_receive(ipc, &m);
	if (r == 0 && m.type != MSG_endpoint_opened) {
		message_close_fd(&m);
		r = -EBADMSG;
	} else if (r == 0) {
		r = m.endpoint_opened.connection >= 0 ? m.endpoint_opened.connection
						      : -ECONNREFUSED;
	}
	ipc_free(ipc);
	return r;
}
