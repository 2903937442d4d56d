/* How other programs ask anvil. An anvil that does not answer stops no mail. */
#include <errno.h>

#include "services/clients.h"

/* A service that does not answer at once is not worth a client's time. */
#define ANVIL_CONNECT_TIME 2000
#define ANVIL_ANSWER_TIME  5000

/* So long it is believed that no mailbox is full. */
#define ANVIL_NOBODY_FULL_TIME 1000

/* Kept connections; more are opened and closed as they are needed. */
#define ANVIL_IDLE_MAX 4

static struct ipc_pool *anvil_pool(void)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, "private/anvil", ANVIL_IDLE_MAX, ANVIL_ANSWER_TIME);
}

int anvil_event(uint8_t kind, struct view service, struct view client, uint32_t *connections,
		uint32_t *rate)
{
	struct ipc *ipc;
	struct message m;
	int r = ipc_exchange(anvil_pool(), clock_after(ANVIL_CONNECT_TIME), &ipc, &m, anvil_event,
			     .kind = kind, .service = service, .client = client);

	*connections = *rate = 0;
	if (r < 0)
		return r;
	if (m.type != MSG_anvil_counts) {
		ipc_pool_put(anvil_pool(), ipc, false);
		return -EBADMSG;
	}
	*connections = m.anvil_counts.connections;
	*rate = m.anvil_counts.rate;
	ipc_pool_put(anvil_pool(), ipc, true);
	return 0;
}

int anvil_login_ask(struct view client, struct view account, struct anvil_turn *turn)
{
	struct ipc *ipc;
	struct message m;
	int r = ipc_exchange(anvil_pool(), clock_after(ANVIL_CONNECT_TIME), &ipc, &m, anvil_login,
			     .client = client, .account = account);

	if (r < 0)
		return r;
	if (m.type == MSG_anvil_turn)
		*turn = (struct anvil_turn){ .wait = m.anvil_turn.wait,
					     .failures = m.anvil_turn.failures,
					     .refused = m.anvil_turn.refused != 0,
					     .tell = m.anvil_turn.tell != 0 };
	else
		r = -EBADMSG;
	ipc_pool_put(anvil_pool(), ipc, r == 0);
	return r;
}

int anvil_login_end(struct view client, struct view account, bool right)
{
	struct ipc *ipc;
	struct message m;
	int r = ipc_exchange(anvil_pool(), clock_after(ANVIL_CONNECT_TIME), &ipc, &m,
			     anvil_login_end, .client = client, .account = account, .right = right);

	if (r < 0)
		return r;
	if (m.type != MSG_done)
		r = -EBADMSG;
	ipc_pool_put(anvil_pool(), ipc, r == 0);
	return r;
}

int anvil_new_mails(const struct view *users, size_t count, struct view folder)
{
	struct ipc *ipc;
	struct message m;
	int r = ipc_exchange(anvil_pool(), clock_after(ANVIL_CONNECT_TIME), &ipc, &m,
			     anvil_new_mail, .user = users[0], .folder = folder);

	if (r < 0)
		return r;
	if (m.type != MSG_done)
		r = -EBADMSG;
	for (size_t i = 1; r == 0 && i < count; i++)
		r = ipc_send(ipc, anvil_new_mail, .user = users[i], .folder = folder);
	for (size_t i = 1; r == 0 && i < count; i++)
		r = ipc_expect(ipc, MSG_done, &m);
	ipc_pool_put(anvil_pool(), ipc, r == 0);
	return r;
}

int anvil_new_mail(struct view user, struct view folder)
{
	return anvil_new_mails(&user, 1, folder);
}

int anvil_tell_full(struct view user)
{
	struct ipc *ipc;
	struct message m;
	int r = ipc_exchange(anvil_pool(), clock_after(ANVIL_CONNECT_TIME), &ipc, &m, anvil_full,
			     .user = user);

	if (r < 0)
		return r;
	if (m.type != MSG_done)
		r = -EBADMSG;
	ipc_pool_put(anvil_pool(), ipc, r == 0);
	return r;
}

int anvil_is_full(struct view address, struct view login)
{
	/* Mostly it is nobody, and nobody need wait to hear that again. */
	static msec_t nobody_until;
	struct ipc *ipc;
	struct message m;

	if (clock_now() < nobody_until)
		return 0;
	int r = ipc_exchange(anvil_pool(), clock_after(ANVIL_CONNECT_TIME), &ipc, &m,
			     anvil_full_ask, .address = address, .login = login);

	if (r < 0)
		return r;
	r = m.type == MSG_anvil_full_is ? m.anvil_full_is.full != 0 : -EBADMSG;
	if (r == 0 && !m.anvil_full_is.any)
		nobody_until = clock_after(ANVIL_NOBODY_FULL_TIME);
	ipc_pool_put(anvil_pool(), ipc, r >= 0);
	return r;
}

struct ipc *anvil_watch(struct view user)
{
	struct ipc *ipc = ipc_connect("private/anvil", clock_after(ANVIL_CONNECT_TIME));
	struct message m;

	if (ipc == NULL)
		return NULL;
	ipc_set_timeout(ipc, ANVIL_ANSWER_TIME);
	if (ipc_send(ipc, anvil_watch, .user = user) < 0 || ipc_expect(ipc, MSG_done, &m) < 0) {
		ipc_free(ipc);
		return NULL;
	}
	ipc_set_timeout(ipc, MSEC_FOREVER);
	/* Waiting for new mail is not waiting for an answer: it ends when the program stops. */
	ipc_finish_first(ipc, false);
	return ipc;
}

/* ---- postscreen's clients ---- */

int anvil_screened_find(struct view client, struct anvil_screened *passed)
{
	struct ipc *ipc;
	struct message m;
	int r = ipc_exchange(anvil_pool(), clock_after(ANVIL_CONNECT_TIME), &ipc, &m, screen_ask,
			     .client = client);

	*passed = (struct anvil_screened){ 0 };
	if (r < 0)
		return r;
	if (m.type == MSG_screen_known) {
		const struct msg_screen_known *known = &m.screen_known;

		*passed = (struct anvil_screened){ .pregreet = known->pregreet,
						   .dnsbl = known->dnsbl,
						   .pipelining = known->pipelining,
						   .non_smtp = known->non_smtp,
						   .bare_newline = known->bare_newline };
		r = known->known != 0;
	} else {
		r = -EBADMSG;
	}
	ipc_pool_put(anvil_pool(), ipc, r >= 0);
	return r;
}

int anvil_screened_keep(struct view client, const struct anvil_screened *passed, int64_t expires)
{
	struct ipc *ipc;
	struct message m;
	int r = ipc_exchange(anvil_pool(), clock_after(ANVIL_CONNECT_TIME), &ipc, &m, screen_passed,
			     .client = client, .pregreet = passed->pregreet, .dnsbl = passed->dnsbl,
			     .pipelining = passed->pipelining, .non_smtp = passed->non_smtp,
			     .bare_newline = passed->bare_newline, .expires = expires);

	if (r < 0)
		return r;
	if (m.type != MSG_done)
		r = -EBADMSG;
	ipc_pool_put(anvil_pool(), ipc, r == 0);
	return r;
}
