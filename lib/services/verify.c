/* The talk with verify: questions of smtpd, results of probes from qmgr. */
#include <errno.h>

#include "services/ask.h"
#include "services/clients.h"

#define VERIFY_CONNECT_TIME ((msec_t)10000)
#define VERIFY_ANSWER_TIME  ((msec_t)20000) /* beyond the caller's patience */
#define VERIFY_PATIENCE_MAX ((msec_t)1000000)
#define VERIFY_IDLE_MAX	    20

/* Without a time of its own: what is asked says how long it may take. */
static struct ipc_pool *verify_pool(void)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, "private/verify", VERIFY_IDLE_MAX,
			     VERIFY_PATIENCE_MAX + VERIFY_ANSWER_TIME);
}

int verify_ask_address(struct view address, msec_t patience, struct str *text)
{
	struct ipc *ipc;
	struct message m;
	uint32_t wait = (uint32_t)(patience < VERIFY_PATIENCE_MAX ? patience : VERIFY_PATIENCE_MAX);
	int r = ipc_exchange(verify_pool(), clock_after(VERIFY_CONNECT_TIME), &ipc, &m, verify_ask,
			     .address = address, .patience = wait);

	if (r < 0)
		return r;
	if (m.type == MSG_verify_answer && m.verify_answer.state <= VERIFY_UNDELIVERABLE) {
		r = m.verify_answer.state;
		str_set(text, m.verify_answer.text);
	} else {
		message_close_fd(&m);
		r = -EBADMSG;
	}
	ipc_pool_put(verify_pool(), ipc, r >= 0);
	return r;
}

int verify_tell_result(struct view address, uint8_t outcome, struct view text)
{
	struct message m;

	return service_ask(verify_pool(), VERIFY_CONNECT_TIME, &m, done, probe_result,
			   .address = address, .outcome = outcome, .text = text);
}
