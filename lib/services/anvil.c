/* How other programs ask anvil. An anvil that does not answer stops no mail. */
#include <errno.h>

#include "services/ask.h"
#include "services/clients.h"

/* A service that does not answer at once is not worth a client's time. */
#define ANVIL_CONNECT_TIME 2000
#define ANVIL_ANSWER_TIME  5000

/* So long it is believed that no mailbox is full. */
#define ANVIL_NOBODY_FULL_TIME 1000

/* Kept connections; more are opened and closed as they are needed. */
#define ANVIL_IDLE_MAX 4

/* Digests of recipients that one message carries. */
#define SENDERS_PIECE ((size_t)4096 * SENDER_DIGEST_SIZE)

static struct ipc_pool *anvil_pool(void)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, "private/anvil", ANVIL_IDLE_MAX, ANVIL_ANSWER_TIME);
}

int anvil_event(uint8_t kind, struct view service, struct view client, uint32_t *connections,
		uint32_t *rate)
{
	struct message m;
	int r = service_ask(anvil_pool(), ANVIL_CONNECT_TIME, &m, anvil_counts, anvil_event,
			    .kind = kind, .service = service, .client = client);

	*connections = r == 0 ? m.anvil_counts.connections : 0;
	*rate = r == 0 ? m.anvil_counts.rate : 0;
	return r;
}

int anvil_login_ask(struct view client, struct view account, struct anvil_turn *turn)
{
	struct message m;
	int r = service_ask(anvil_pool(), ANVIL_CONNECT_TIME, &m, anvil_turn, anvil_login,
			    .client = client, .account = account);

	if (r == 0)
		*turn = (struct anvil_turn){ .wait = m.anvil_turn.wait,
					     .failures = m.anvil_turn.failures,
					     .refused = m.anvil_turn.refused != 0,
					     .tell = m.anvil_turn.tell != 0 };
	return r;
}

int anvil_login_end(struct view client, struct view account, bool right)
{
	struct message m;

	return service_ask(anvil_pool(), ANVIL_CONNECT_TIME, &m, done, anvil_login_end,
			   .client = client, .account = account, .right = right);
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
	struct message m;

	return service_ask(anvil_pool(), ANVIL_CONNECT_TIME, &m, done, anvil_full, .user = user);
}

int anvil_is_full(struct view address, struct view login)
{
	/* Mostly it is nobody, and nobody need wait to hear that again. */
	static msec_t nobody_until;
	struct message m;
	int r;

	if (clock_now() < nobody_until)
		return 0;
	r = service_ask(anvil_pool(), ANVIL_CONNECT_TIME, &m, anvil_full_is, anvil_full_ask,
			.address = address, .login = login);
	if (r < 0)
		return r;
	if (!m.anvil_full_is.full && !m.anvil_full_is.any)
		nobody_until = clock_after(ANVIL_NOBODY_FULL_TIME);
	return m.anvil_full_is.full != 0;
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

/* ---- what logins send ---- */

/* The answer to either question, in *m. */
static int senders_take(struct ipc *ipc, struct message *m, struct str *reason)
{
	int r = -EBADMSG;

	if (m->type == MSG_anvil_sender && m->anvil_sender.state <= ANVIL_SENDER_STOPPED) {
		str_set(reason, m->anvil_sender.reason);
		r = m->anvil_sender.state;
	}
	message_close_fd(m);
	ipc_pool_put(anvil_pool(), ipc, r >= 0);
	return r;
}

int anvil_sent(struct view account, uint32_t messages, struct view digests, struct str *reason)
{
	int state = ANVIL_SENDER_FREE;

	do {
		struct view piece = view_first(digests, SENDERS_PIECE);
		struct ipc *ipc;
		struct message m;
		int r = ipc_exchange(anvil_pool(), clock_after(ANVIL_CONNECT_TIME), &ipc, &m,
				     anvil_sent, .account = account, .messages = messages,
				     .recipients = piece);

		if (r == 0)
			r = senders_take(ipc, &m, reason);
		if (r < 0)
			return r;
		/* That it stops now is not to be lost by what comes after it. */
		if (state != ANVIL_SENDER_STOPS)
			state = r;
		digests = view_from(digests, piece.len);
		messages = 0;
	} while (digests.len > 0);
	return state;
}

int anvil_bounced(struct view account, uint32_t recipients, struct str *reason)
{
	struct ipc *ipc;
	struct message m;
	int r = ipc_exchange(anvil_pool(), clock_after(ANVIL_CONNECT_TIME), &ipc, &m, anvil_bounced,
			     .account = account, .recipients = recipients);

	return r < 0 ? r : senders_take(ipc, &m, reason);
}

/* ---- postscreen's clients ---- */

int anvil_screened_find(struct view client, struct anvil_screened *passed)
{
	const struct msg_screen_known *known;
	struct message m;
	int r = service_ask(anvil_pool(), ANVIL_CONNECT_TIME, &m, screen_known, screen_ask,
			    .client = client);

	*passed = (struct anvil_screened){ 0 };
	if (r < 0)
		return r;
	known = &m.screen_known;
	*passed = (struct anvil_screened){ .pregreet = known->pregreet,
					   .dnsbl = known->dnsbl,
					   .pipelining = known->pipelining,
					   .non_smtp = known->non_smtp,
					   .bare_newline = known->bare_newline };
	return known->known != 0;
}

int anvil_screened_keep(struct view client, const struct anvil_screened *passed, int64_t expires)
{
	struct message m;

	return service_ask(anvil_pool(), ANVIL_CONNECT_TIME, &m, done, screen_passed,
			   .client = client, .pregreet = passed->pregreet, .dnsbl = passed->dnsbl,
			   .pipelining = passed->pipelining, .non_smtp = passed->non_smtp,
			   .bare_newline = passed->bare_newline, .expires = expires);
}
