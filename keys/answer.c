/* One request: the key is looked up, the input judged, then signed. Nothing waits in between. */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "keys.h"

static bool form_is_for(unsigned use, enum tls_signed form)
{
	if (use == KEY_FOR_SERVERS)
		return form == TLS_SIGNED_SERVER_VERIFY || form == TLS_SIGNED_KEY_EXCHANGE;
	return form == TLS_SIGNED_CLIENT_VERIFY || form == TLS_SIGNED_CLIENT_MESSAGES;
}

int keys_signature(unsigned use, struct view name, unsigned code, struct view input,
		   struct str *signature)
{
	const struct tls_scheme *scheme = tls_scheme_of_code(code);
	const struct tls_key *key = keys_find(name, use);
	int r;

	if (key == NULL)
		return 1 + KEY_UNKNOWN;
	if (scheme == NULL)
		return 1 + KEY_SCHEME;
	if (!form_is_for(use, tls_signed_form(input)))
		return 1 + KEY_INPUT;
	r = tls_key_sign(key, scheme, input, signature);
	if (r == 0)
		return 0;
	return 1 + (r == -EINVAL ? KEY_SCHEME : KEY_FAILED);
}

/* A program that asks for such a thing has a fault, or somebody else in it. */
static void log_refusal(struct ipc *ipc, int why)
{
	static const char *const reasons[] = {
		[KEY_UNKNOWN] = "it names a key that is not here",
		[KEY_SCHEME] = "not a signature that is made here with this key",
		[KEY_INPUT] = "this is not what such a program signs in a TLS handshake",
		[KEY_FAILED] = "OpenSSL could not sign",
	};
	pid_t pid = 0;
	uid_t uid = 0;
	gid_t gid;

	(void)ipc_peer(ipc, &pid, &uid, &gid);
	if (why == KEY_UNKNOWN) /* so it is for a moment when certificates are renewed */
		log_info("pid %d (uid %u): %s", (int)pid, uid, reasons[why]);
	else
		log_error("refused to sign for pid %d (uid %u): %s", (int)pid, uid, reasons[why]);
}

static int answer_sign(struct ipc *ipc, unsigned use, struct view key, unsigned scheme,
		       struct view input)
{
	_cleanup_(str_free) struct str signature = STR_EMPTY;
	int why = keys_signature(use, key, scheme, input, &signature);

	if (why == 0)
		return ipc_send(ipc, key_signature, .bytes = str_view(&signature));
	log_refusal(ipc, why - 1);
	return ipc_send(ipc, key_refused, .why = (uint8_t)(why - 1));
}

static int answer_chain(struct ipc *ipc, const struct msg_server_chain *m)
{
	struct view chain;
	int r = sni_find(m->maps, m->name, &chain);

	if (r > 0)
		return ipc_send(ipc, server_chain_is, .chain = chain);
	return ipc_send(ipc, key_refused, .why = r == 0 ? KEY_UNKNOWN : KEY_FAILED);
}

int keys_answer(struct ipc *ipc, struct message *m)
{
	switch (m->type) {
	case MSG_server_sign:
		return answer_sign(ipc, KEY_FOR_SERVERS, m->server_sign.key, m->server_sign.scheme,
				   m->server_sign.input);
	case MSG_client_sign:
		return answer_sign(ipc, KEY_FOR_CLIENTS, m->client_sign.key, m->client_sign.scheme,
				   m->client_sign.input);
	case MSG_server_chain:
		return answer_chain(ipc, &m->server_chain);
	case MSG_dkim_key:
		return mail_keys_answer_about(ipc, &m->dkim_key);
	case MSG_mac:
		return mac_answer(ipc, &m->mac);
	case MSG_dkim_sign:
		return mail_keys_answer_sign(ipc, &m->dkim_sign);
	default:
		message_close_fd(m);
		log_error("unexpected message %s", message_name(m->type));
		return -EBADMSG;
	}
}
