/* The caller's side of greylist. Where it does not answer, nobody has to wait. */
#include "services/ask.h"
#include "services/clients.h"

#define GREYLIST_IDLE_MAX     4
#define GREYLIST_CONNECT_TIME ((msec_t)2 * 1000)
#define GREYLIST_ANSWER_TIME  ((msec_t)5 * 1000)

static struct ipc_pool *greylist_pool(void)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, "private/greylist", GREYLIST_IDLE_MAX, GREYLIST_ANSWER_TIME);
}

int greylist_ask_client(struct view client, struct view sender, struct view recipient,
			uint32_t *wait)
{
	struct message m;
	int r = service_ask(greylist_pool(), GREYLIST_CONNECT_TIME, &m, greylist_answer,
			    greylist_ask, .client_address = client, .sender = sender,
			    .recipient = recipient);

	*wait = r == 0 ? m.greylist_answer.wait : 0;
	return r;
}

int greylist_tell_written(struct view addresses)
{
	struct message m;

	return service_ask(greylist_pool(), GREYLIST_CONNECT_TIME, &m, done, greylist_written,
			   .addresses = addresses);
}
