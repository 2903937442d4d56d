/* An LMTP session waits for what becomes of its message (qmgr/await.c). */
#include <errno.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ipc/ipc.h"
#include "services/clients.h"

#define AWAIT_CONNECT_TIME ((msec_t)2000)
#define AWAIT_ANSWER_TIME  ((msec_t)10000)

struct ipc *queue_await(struct view queue_id, const struct view *recipients, size_t count)
{
	struct ipc *ipc = ipc_connect("private/qmgr", clock_after(AWAIT_CONNECT_TIME));
	struct message m;
	int r;

	if (ipc == NULL)
		return NULL;
	ipc_finish_first(ipc, true);
	ipc_set_timeout(ipc, AWAIT_ANSWER_TIME);
	r = ipc_send(ipc, await, .queue_id = queue_id, .count = (uint32_t)count);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = ipc_send(ipc, awaited, .address = recipients[i]);
	if (r < 0 || ipc_expect(ipc, MSG_done, &m) < 0) {
		ipc_free(ipc);
		return NULL;
	}
	return ipc;
}

int queue_await_next(struct ipc *ipc, msec_t deadline, struct msg_awaited *awaited)
{
	struct message m;
	int r;

	ipc_set_timeout(ipc, MAX(deadline - clock_now(), (msec_t)1));
	r = ipc_receive(ipc, &m);
	if (r < 0)
		return r;
	if (m.type == MSG_awaited) {
		*awaited = m.awaited;
		return 1;
	}
	message_close_fd(&m);
	return m.type == MSG_done ? 0 : -EBADMSG;
}

int queue_await_end(struct ipc *ipc)
{
	int r = ipc_send(ipc, await_end);

	return r == 0 ? ipc_flush(ipc) : r;
}
