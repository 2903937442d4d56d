/* The caller's side of greylist. Where it does not answer, nobody has to wait. */
#include <errno.h>

#include "services/clients.h"

#define GREYLIST_IDLE_MAX     4
#define GREYLIST_CONNECT_TIME ((msec_t)2 * 1000)
#define GREYLIST_ANSWER_TIME  ((msec_t)5 * 1000)

static struct ipc_pool *greylist_pool(void)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, "private/greylist", GREYLIST_IDLE_MAX, GREYLIST_ANSWER_TIME);
}

/* The answer; `expected` or -EBADMSG. */
static int greylist_exchange(enum message_type type, const void *fields, enum message_type expected,
			     struct message *m)
{
	struct ipc *ipc = NULL;
	int r = ipc_exchange_message(greylist_pool(), clock_after(GREYLIST_CONNECT_TIME), &ipc, m,
				     type, fields);

	if (r == 0 && m->type != expected) {
		message_close_fd(m);
		r = -EBADMSG;
	}
	ipc_pool_put(greylist_pool(), ipc, r == 0);
	return r;
}

int greylist_ask_client(struct view client, struct view sender, struct view recipient,
			uint32_t *wait)
{
	const struct msg_greylist_ask question = {
		.client_address = client,
		.sender = sender,
		.recipient = recipient,
	};
	struct message m;
	int r = greylist_exchange(MSG_greylist_ask, &question, MSG_greylist_answer, &m);

	*wait = r == 0 ? m.greylist_answer.wait : 0;
	return r;
}

int greylist_tell_written(struct view addresses)
{
	const struct msg_greylist_written told = { .addresses = addresses };
	struct message m;

	return greylist_exchange(MSG_greylist_written, &told, MSG_done, &m);
}
