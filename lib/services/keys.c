/*
 * The caller's side of keys: signatures for TLS handshakes. Whether they may be made, keys decides.
 */
#include <errno.h>

#include "base/log.h"
#include "services/clients.h"
#include "task/task.h"

#define KEYS_IDLE_MAX	  16
#define KEYS_CONNECT_TIME ((msec_t)5 * 1000)
#define KEYS_ANSWER_TIME  ((msec_t)10 * 1000)

/*
 * When certificates change, this program and keys are replaced at the same time, and either may be
 * first: a key that is not known may be so in a moment. The one of before still answers on kept
 * connections.
 */
#define KEYS_RENEWAL_TIME  ((msec_t)3 * 1000)
#define KEYS_RENEWAL_PAUSE 100

static struct ipc_pool *keys_pool(void)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, "private/keys", KEYS_IDLE_MAX, KEYS_ANSWER_TIME);
}

static void keys_connect_task(void *unused)
{
	(void)unused;
	ipc_pool_put(keys_pool(), ipc_pool_get(keys_pool(), clock_after(KEYS_CONNECT_TIME)), true);
}

void keys_connect(void)
{
	task_spawn("keys", keys_connect_task, NULL);
}

static int keys_ask(enum message_type type, struct view key, unsigned scheme, struct view input,
		    struct str *signature)
{
	const struct msg_server_sign server = { .key = key, .scheme = scheme, .input = input };
	const struct msg_client_sign client = { .key = key, .scheme = scheme, .input = input };
	const void *fields = type == MSG_server_sign ? (const void *)&server : &client;
	struct ipc *ipc;
	struct message m;
	int r = ipc_exchange_message(keys_pool(), clock_after(KEYS_CONNECT_TIME), &ipc, &m, type,
				     fields);

	if (r < 0)
		return r;
	if (m.type == MSG_key_signature)
		str_set(signature, m.key_signature.bytes);
	else if (m.type == MSG_key_refused)
		r = m.key_refused.why == KEY_UNKNOWN ? -ENOKEY : -EACCES;
	else
		r = -EBADMSG;
	message_close_fd(&m);
	/* Who does not know the key is to be left for the successor, or for the one of before. */
	ipc_pool_put(keys_pool(), ipc, r == 0);
	return r;
}

static int keys_sign(enum message_type type, struct view key, unsigned scheme, struct view input,
		     struct str *signature)
{
	msec_t until = clock_after(KEYS_RENEWAL_TIME);
	int r;

	while ((r = keys_ask(type, key, scheme, input, signature)) == -ENOKEY &&
	       clock_now() < until)
		task_sleep(KEYS_RENEWAL_PAUSE);
	if (r == -ENOKEY)
		log_error("no TLS: keys does not have the private key of our certificate (was the "
			  "key renewed and the certificate not?)");
	else if (r < 0)
		log_error("no TLS: keys did not sign: %s", strerror(-r));
	return r;
}

int keys_find_chain(const char *maps, struct view name, struct str *chain)
{
	struct ipc *ipc;
	struct message m;
	const struct msg_server_chain question = { .maps = view_of(maps), .name = name };
	int r = ipc_exchange_message(keys_pool(), clock_after(KEYS_CONNECT_TIME), &ipc, &m,
				     MSG_server_chain, &question);

	if (r < 0) {
		log_error("no TLS: keys does not say which certificate a name has: %s",
			  strerror(-r));
		return r;
	}
	if (m.type == MSG_server_chain_is) {
		str_set(chain, m.server_chain_is.chain);
		r = 1;
	} else if (m.type == MSG_key_refused) {
		r = m.key_refused.why == KEY_UNKNOWN ? 0 : -EIO;
	} else {
		r = -EBADMSG;
	}
	if (r < 0)
		log_warning("no TLS: the certificate of %.*s in tls_server_sni_maps cannot be used",
			    VIEW_ARG(name));
	message_close_fd(&m);
	ipc_pool_put(keys_pool(), ipc, r >= 0);
	return r;
}

int keys_sign_as_server(struct view key, unsigned scheme, struct view input, struct str *signature)
{
	return keys_sign(MSG_server_sign, key, scheme, input, signature);
}

int keys_sign_as_client(struct view key, unsigned scheme, struct view input, struct str *signature)
{
	return keys_sign(MSG_client_sign, key, scheme, input, signature);
}
