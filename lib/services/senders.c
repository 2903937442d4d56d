/*
 * Telling anvil what logins send, and people when one of them is stopped. Whether it is stopped is
 * anvil's word.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "services/clients.h"

#define SENDERS_CONNECT_TIME 2000
#define SENDERS_ANSWER_TIME  5000
#define SENDERS_IDLE_MAX     2
/* Digests that one message carries. */
#define SENDERS_PIECE ((size_t)4096 * SENDER_DIGEST_SIZE)

/* FNV-1a, of the address in lower case. The same for ever: anvil keeps them. */
void sender_digest(struct view address, unsigned char digest[static SENDER_DIGEST_SIZE])
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < address.len; i++) {
		hash ^= (unsigned char)ascii_lower(address.data[i]);
		hash *= UINT64_C(0x100000001b3);
	}
	/* Its low bits alone depend on the last bytes too little. */
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	memcpy(digest, &hash, SENDER_DIGEST_SIZE);
}

static struct ipc_pool *senders_pool(void)
{
	static struct ipc_pool *pool;

	return ipc_pool_once(&pool, "private/anvil", SENDERS_IDLE_MAX, SENDERS_ANSWER_TIME);
}

/* The answer to either question, in *m. */
static int senders_take(struct ipc *ipc, const struct message *m, struct str *reason)
{
	int r = -EBADMSG;

	if (m->type == MSG_anvil_sender && m->anvil_sender.state <= ANVIL_SENDER_STOPPED) {
		str_set(reason, m->anvil_sender.reason);
		r = m->anvil_sender.state;
	}
	ipc_pool_put(senders_pool(), ipc, r >= 0);
	return r;
}

int anvil_sent(struct view account, uint32_t messages, struct view digests, struct str *reason)
{
	int state = ANVIL_SENDER_FREE;

	do {
		struct view piece = view_first(digests, SENDERS_PIECE);
		struct ipc *ipc;
		struct message m;
		int r = ipc_exchange(senders_pool(), clock_after(SENDERS_CONNECT_TIME), &ipc, &m,
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
	int r = ipc_exchange(senders_pool(), clock_after(SENDERS_CONNECT_TIME), &ipc, &m,
			     anvil_bounced, .account = account, .recipients = recipients);

	return r < 0 ? r : senders_take(ipc, &m, reason);
}

/* ---- telling people ---- */

static void sender_notice_text(struct view account, struct view reason, struct str *text)
{
	str_printf(text,
		   "From: Mail system <MAILER-DAEMON@%s>\r\n"
		   "To: %.*s, postmaster\r\n"
		   "Subject: Sending is stopped for %.*s\r\n"
		   "Auto-Submitted: auto-generated\r\n"
		   "MIME-Version: 1.0\r\n"
		   "Content-Type: text/plain; charset=us-ascii\r\n"
		   "\r\n"
		   "This is the mail system at host %s.\r\n\r\n",
		   param.myhostname, VIEW_ARG(account), VIEW_ARG(account), param.myhostname);
	str_printf(
		text,
		"The account %.*s has sent %.*s.\r\n"
		"Most often that means that somebody else knows its password. Its mail is kept\r\n"
		"on hold from now on, and it cannot log in to send; it still receives mail.\r\n\r\n"
		"If it is yours: change the password, and tell your postmaster.\r\n\r\n"
		"Postmaster: \"posta queue list --sender\" shows what is on hold, \"posta "
		"trace\"\r\n"
		"where it came from. \"posta user unlock\" allows the account to send again,\r\n"
		"\"posta queue release\" sends what was held, \"posta queue delete\" does not.\r\n"
		"If that much mail is in order: smtpd_login_limit_exceptions, or\r\n"
		"smtpd_login_message_hour_limit and its kin.\r\n",
		VIEW_ARG(account), VIEW_ARG(reason));
}

int sender_notice(struct view account, struct view reason)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, name = STR_EMPTY, why = STR_EMPTY;
	_cleanup_(submission_verdict_free) struct submission_verdict verdict = { 0 };
	struct submission *s;
	int r;

	str_append_printable(&name, account);
	str_append_printable(&why, reason);
	sender_notice_text(str_view(&name), str_view(&why), &text);
	s = submission_begin("private/cleanup", &(struct msg_mail){ .flags = MAIL_FLAG_INTERNAL,
								    .kind = INTERNAL_NOTIFY,
								    .body = BODY_7BIT });
	r = submission_rcpt(s, VIEW("postmaster"), VIEW_NONE, NOTIFY_NEVER);
	if (r == 0)
		r = submission_rcpt(s, account, VIEW_NONE, NOTIFY_NEVER);
	if (r == 0)
		r = submission_data(s, str_view(&text));
	if (r < 0) {
		submission_abort(s);
	} else {
		r = submission_commit(s, &verdict);
		if (r == 0 && verdict.code != 250)
			r = -EAGAIN;
	}
	if (r < 0)
		log_warning("nobody was told that sending is stopped for %s: %s", str_cstr(&name),
			    strerror(-r));
	return r;
}
