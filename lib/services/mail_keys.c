/* The caller's side of keys for mail: signatures of DKIM, and MACs. Which key signs for whom, the caller knows. */
#include <errno.h>

#include "base/log.h"
#include "services/clients.h"

#define MAIL_KEYS_IDLE_MAX     4
#define MAIL_KEYS_CONNECT_TIME ((msec_t)5 * 1000)
#define MAIL_KEYS_ANSWER_TIME  ((msec_t)10 * 1000)

static struct ipc_pool *mail_keys_pool(void)
{
	static struct ipc_pool *pool;

	if (pool == NULL) {
		pool = ipc_pool_new("private/keys", MAIL_KEYS_IDLE_MAX);
		ipc_pool_set_timeout(pool, MAIL_KEYS_ANSWER_TIME);
	}
	return pool;
}

static int mail_keys_ask(enum message_type type, const void *fields, enum message_type expected,
			 struct ipc **ipc, struct message *m)
{
	int r = ipc_exchange_message(mail_keys_pool(), clock_after(MAIL_KEYS_CONNECT_TIME), ipc, m,
				     type, fields);

	if (r < 0 || m->type == expected)
		return r;
	r = m->type == MSG_key_refused ? -ENOKEY : -EBADMSG;
	message_close_fd(m);
	return r;
}

int keys_mail_algorithm(struct view key, uint32_t *algorithm)
{
	const struct msg_dkim_key question = { .key = key };
	struct ipc *ipc = NULL;
	struct message m;
	int r = mail_keys_ask(MSG_dkim_key, &question, MSG_dkim_key_is, &ipc, &m);

	if (r == 0)
		*algorithm = m.dkim_key_is.algorithm;
	ipc_pool_put(mail_keys_pool(), ipc, r == 0);
	return r;
}

int keys_sign_mail(struct view key, uint32_t algorithm, struct view digest, struct str *signature)
{
	const struct msg_dkim_sign question = { .key = key,
						.algorithm = algorithm,
						.digest = digest };
	struct ipc *ipc = NULL;
	struct message m;
	int r = mail_keys_ask(MSG_dkim_sign, &question, MSG_key_signature, &ipc, &m);

	if (r == 0)
		str_set(signature, m.key_signature.bytes);
	ipc_pool_put(mail_keys_pool(), ipc, r == 0);
	return r;
}

int keys_mac(uint8_t purpose, struct view text, struct str *macs)
{
	const struct msg_mac question = { .purpose = purpose, .text = text };
	struct ipc *ipc = NULL;
	struct message m;
	int r = mail_keys_ask(MSG_mac, &question, MSG_mac_is, &ipc, &m);

	if (r == 0)
		str_set(macs, m.mac_is.macs);
	ipc_pool_put(mail_keys_pool(), ipc, r == 0);
	return r;
}
