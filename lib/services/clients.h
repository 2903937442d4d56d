/*
 * The caller's side of the small services, so that each is asked in one way. All wait; all fail
 * softly: the caller decides what "the service does not answer" means.
 */
#ifndef SERVICES_CLIENTS_H
#define SERVICES_CLIENTS_H

#include "base/error.h"
#include "base/str.h"
#include "ipc/ipc.h"
#include "tls/tls.h"

/* ---- resolver ---- */

enum {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_TLSA = 52
};
#define DNS_RECORDS_MAX 256 /* more in one answer are cut off */

struct dns_record {
	uint32_t preference, weight, port;
	char *name;
	struct str data;
};
struct dns_answer {
	uint8_t outcome; /* RESOLVE_... */
	bool secure;
	uint32_t ttl;
	size_t count;
	struct dns_record *records;
	struct str reason;
	struct str canonical; /* what aliases (CNAME) made of the name; empty: nothing */
};
/* 0 with answer filled (dns_answer_free), or a negative errno: no resolver. */
int dns_query(struct view name, uint32_t type, struct dns_answer *answer);
/*
 * From now on dns_query leaves out records that `drops` says 1 of (0: they stay; a negative errno, and no answer
 * counts), by their text: "mx.example.org. 300 IN AAAA 2001:db8::1". Where none is left the answer is
 * RESOLVE_TEMPORARY. The names of clients are not looked up by it.
 */
typedef int dns_record_filter(struct view record);
void dns_filter_use(dns_record_filter *drops);
/* dns_query does it. */
void dns_filter_apply(struct view name, uint32_t type, struct dns_answer *answer);
void dns_answer_free(struct dns_answer *answer);
/*
 * The name of a client by PTR, confirmed by A/AAAA; "unknown" if there is none. *temporary says
 * that the DNS failed. `unverified` (may be NULL) gets the PTR name as it is.
 */
int dns_client_name(struct view address, struct str *name, struct str *unverified, bool *temporary);

/* ---- anvil ---- */

/* Counts; 0 or a negative errno, in which case counts are 0 and the client is let through. */
int anvil_event(uint8_t kind, struct view service, struct view client, uint32_t *connections,
		uint32_t *rate);
/* When auth may check a password; see anvil/logins.h. 0, or a negative errno: *turn is untouched. */
struct anvil_turn {
	msec_t wait;
	unsigned failures;
	bool refused, tell;
};
int anvil_login_ask(struct view client, struct view account, struct anvil_turn *turn);
int anvil_login_end(struct view client, struct view account, bool right);
/*
 * What a login sends (anvil/senders.h). `messages` 0 and no recipients: the question alone. `digests`
 * has SENDER_DIGEST_SIZE bytes of sender_digest() for each recipient. ANVIL_SENDER_... with the reason
 * appended, or a negative errno: nobody knows.
 */
#define SENDER_DIGEST_SIZE 8
void sender_digest(struct view address, unsigned char digest[static SENDER_DIGEST_SIZE]);
int anvil_sent(struct view account, uint32_t messages, struct view digests, struct str *reason);
int anvil_bounced(struct view account, uint32_t recipients, struct str *reason);
/* Tells postmaster and the user that the account is stopped. 0 when that is in the queue. */
int sender_notice(struct view account, struct view reason);
/*
 * postscreen's memory of clients: until when each test that one has passed counts (seconds of the wall
 * clock, 0: never). 1: it is known, 0: it is new, or a negative errno.
 */
struct anvil_screened {
	int64_t pregreet, dnsbl, pipelining, non_smtp, bare_newline;
};
int anvil_screened_find(struct view client, struct anvil_screened *passed);
int anvil_screened_keep(struct view client, const struct anvil_screened *passed, int64_t expires);
int anvil_new_mail(struct view user, struct view folder);
/* That user's quota is reached. */
int anvil_tell_full(struct view user);
/* Was that said lately of the address, or of that login name (may be empty)? 1, 0, negative errno. */
int anvil_is_full(struct view address, struct view login);
/* For many users (at least one) in one go. */
int anvil_new_mails(const struct view *users, size_t count, struct view folder);
/*
 * A connection on which only new_mail will come, for ipc_receive; NULL if anvil is not there. Mail
 * that came before this returns may not be told any more: look at the mailbox then. An empty
 * folder means any. When the connection ends (anvil is replaced), watch again.
 */
struct ipc *anvil_watch(struct view user);

/* ---- qmgr ---- */

/*
 * A connection on which the queue manager will say what becomes of that message for these recipients, for an LMTP session;
 * before the message is submitted. NULL: it cannot be had, and the message is a message as any other.
 */
struct ipc *queue_await(struct view queue_id, const struct view *recipients, size_t count);
/*
 * The next result, valid until the next call: 1; 0: the end that was asked for; -ETIMEDOUT: not yet; another negative errno:
 * the connection is over. OUTCOME_FAILED, OUTCOME_DEFERRED: the recipient has left the queue, and is the client's. An empty
 * address: the message is on hold, and whoever was not told of is the queue's.
 */
int queue_await_next(struct ipc *ipc, msec_t deadline, struct msg_awaited *awaited);
/* Nothing leaves the queue any more; results that were told before are still to come. */
int queue_await_end(struct ipc *ipc);

/* ---- filter ---- */

/*
 * What a policy server says about these attributes; waits, as long as the question allows. 0 with
 * the action appended, or a negative errno: nothing usable came.
 */
int filter_policy_ask(const struct msg_policy_ask *question, struct str *action);

/*
 * A connection to a server that the configuration names (smtpd_proxy_filter), which filter makes for
 * a program that may make none. A descriptor, or a negative errno.
 */
int filter_connect(struct view endpoint, msec_t timeout);

/* ---- proxymap ---- */

/*
 * What a table that is another server says; waits. 1 with the value appended, 0: it is not there,
 * or a negative errno: nobody knows.
 */
int proxymap_ask(struct view table, struct view key, struct str *value, struct error *err);
/* Whether a directory takes this user's password: 1, 0, or a negative errno. Waits. */
int proxymap_verify(struct view table, struct view key, struct view password, struct error *err);

/* ---- to the postmaster ---- */

/* A word of notify_classes stands there. */
bool notice_is_wanted(const char *class);
/*
 * May one more be sent in this hour (notice_rate_limit)? True: the caller sends it; *passed_over is how
 * many were not, since the last one. False is logged once an hour.
 */
bool notice_may(unsigned *passed_over);
/* The sender of such messages, in standard form: what comes back of them nobody reads. */
void notice_sender(struct str *out);
/*
 * One of text (lines end in CR LF, ASCII), to that recipient and `also` (may be empty). Waits. 0 or a
 * negative errno, logged.
 */
int notice_send(const char *recipient, struct view also, const char *subject, struct view text);

/* ---- verify ---- */

/*
 * VERIFY_..., with what is known of the address, for people; or a negative errno. Waits for a probe at
 * most `patience`.
 */
int verify_ask_address(struct view address, msec_t patience, struct str *text);
/* Of qmgr: what became of a probe for that address. 0 or a negative errno. Waits. */
int verify_tell_result(struct view address, uint8_t outcome, struct view text);

/* ---- greylist ---- */

/* *wait: seconds until the client may come again, 0: it is let in; also with a negative errno. Waits. */
int greylist_ask_client(struct view client, struct view sender, struct view recipient,
			uint32_t *wait);
/* A user of ours has written to these addresses, a line feed after each; IPC_FRAME_MAX together. Waits. */
int greylist_tell_written(struct view addresses);

/* ---- reporter ---- */

/* What DMARC showed of a message, for reports to the domain's owner. Waits. 0 or a negative errno. */
int reporter_tell_seen(const struct msg_dmarc_seen *seen);

/* ---- other people's servers ---- */

/*
 * Connects to a server that the configuration names as Postfix does: "inet:host:port", "inet:port"
 * (of this host), "unix:path" (below the queue directory where it is relative). Waits as a task. A
 * descriptor, or a negative errno: -EINVAL where it cannot be read, -EHOSTUNREACH where the host has
 * no address.
 */
int service_endpoint_connect(struct view endpoint, msec_t deadline);
/*
 * The same for a UNIX socket by its path. Where this program cannot reach it the program connector does
 * it, if the configuration names it: -EPERM if not.
 */
int foreign_socket_connect(struct view path, msec_t deadline);

/* ---- auth ---- */

struct auth_answer {
	enum { AUTH_CONTINUE, AUTH_OK, AUTH_FAILED } state;
	uint8_t why;	  /* AUTH_FAIL_... */
	struct str bytes; /* AUTH_CONTINUE: challenge; AUTH_OK: additional data */
	struct str user;
	struct str cookie;
	struct str text;
};
void auth_answer_free(struct auth_answer *answer);

/* Who wants to log in, and who is to judge. What is not set is empty. */
struct auth_client {
	struct view service; /* "smtp", "imap", "pop3", "sieve" */
	bool secured;
	bool has_session; /* a cookie is wanted, for a session program */
	struct view address, server_address;
	/*
	 * A server of other software that knows the passwords, as smtpd_sasl_type and _path name it:
	 * "dovecot:private/auth", "cyrus:smtpd". auth asks it if the configuration has it.
	 */
	struct view server;
	struct view
		refused;   /* words of smtpd_sasl_security_options: mechanisms that do not count */
	struct view realm; /* of a name that has none, for cyrus */
	/* What TLS knows: channel bindings, and the user that the client's certificate names. */
	struct view tls_exporter, tls_unique, certificate_user;
};
/*
 * auth_tls.c, in programs that link lib/tls: what TLS knows of a client, into its auth_client, which
 * points into *tls (auth_tls_free). auth_tls_prepare reads auth_client_certificate_CAfile and _field;
 * if the former is set, clients are to be asked for certificates.
 */
struct auth_tls {
	struct tls_channel channel;
	struct str user;
};
int auth_tls_prepare(struct error *err);
bool auth_tls_asks(void);
void auth_tls_fill(const struct stream *io, struct auth_tls *tls, struct auth_client *client);
void auth_tls_free(struct auth_tls *tls);
/* Of auth's mechanisms those that are for this client: EXTERNAL needs a certificate, -PLUS a channel. Appends. */
void auth_tls_announced(const struct stream *io, struct view names, struct str *out);
/*
 * One SASL exchange. auth_begin never returns NULL: what came of it is in *answer, which is
 * AUTH_FAILED with AUTH_FAIL_TEMPORARY when auth cannot be asked. auth_exchange_free cancels one
 * that is under way, and ends each. The answer to a failure comes late on purpose.
 */
struct auth_exchange;
struct auth_exchange *auth_begin(const struct auth_client *client, struct view mechanism,
				 bool has_initial, struct view initial, struct auth_answer *answer);
int auth_respond(struct auth_exchange *exchange, struct view response, struct auth_answer *answer);
void auth_exchange_free(struct auth_exchange *exchange);
/* LOGIN and USER/PASS: a PLAIN exchange in one call. */
int auth_password(const struct auth_client *client, struct view user, struct view password,
		  struct auth_answer *answer);
/* "PLAIN LOGIN ..." to announce to this client; 0 or a negative errno. */
int auth_mechanisms(const struct auth_client *client, struct str *names);
/* For session programs: whom does the cookie stand for? 0, -EACCES, or a negative errno. */
int auth_redeem(struct view cookie, struct view service, struct str *user, struct str *session);

/* ---- oauth ---- */

/* Is this token of an OAuth server good? 1 with its user; 0 or a negative errno with the reason. Waits. */
int token_ask(struct view token, struct str *user, struct error *err);

/* ---- keys ---- */

/*
 * For tls_options.sign (lib/tls/sign.h): signatures of a handshake's server and client. 0, or a
 * negative errno, which has been logged.
 */
int keys_sign_as_server(struct view key, unsigned scheme, struct view input, struct str *signature);
int keys_sign_as_client(struct view key, unsigned scheme, struct view input, struct str *signature);
/* For tls_options.find_chain: what is shown for a name of tls_server_sni_maps. */
int keys_find_chain(const char *maps, struct view name, struct str *chain);
/*
 * Signatures of mail, by a key that dkim_key_table names; which kind of key it is (lib/mailauth's
 * enum signature_algorithm). 0 or a negative errno; -ENOKEY: keys refuses.
 */
int keys_mail_algorithm(struct view key, uint32_t *algorithm);
int keys_sign_mail(struct view key, uint32_t algorithm, struct view digest, struct str *signature);
/*
 * MACs of a text, for marks that come back to us (MAC_...): one for each secret, those for new marks
 * first. 0 or a negative errno; -ENOKEY: keys has no secret for that.
 */
int keys_mac(uint8_t purpose, struct view text, struct str *macs);
/*
 * At the start of a server: a connection for later, which is to the keys of its own certificate
 * when both have been renewed since.
 */
void keys_connect(void);

/*
 * tls_site.c: the ciphers, curves and habits that main.cf asks for; what they point to is the
 * parameters'. `grade` is a value of smtp_tls_ciphers and its kin, the lists are names to be left
 * out, or NULL. -EINVAL with a reason.
 */
int tls_site_ciphers(struct tls_options *options, const char *grade, const char *exclude,
		     const char *mandatory_exclude, struct error *err);
/* The same for a server, where TLS is required or only offered. */
int tls_site_server(struct tls_options *options, bool mandatory, struct error *err);

/* ---- cleanup ---- */

/*
 * A message on its way into the queue: smtpd, sendmail, bounce, local. It is put together here and
 * sent in one go when it is whole, so that nobody in the suite waits for a slow client; a large one
 * begins to flow when SUBMISSION_BUFFER bytes have come together. What cleanup says is about all of
 * it, at the end.
 */
struct submission;
#define SUBMISSION_BUFFER ((size_t)64 * 1024)
/*
 * `service` is "private/cleanup" for the suite's own programs, "public/cleanup" for sendmail. The
 * first of these that fails makes all that follow fail: they return 0 or a negative errno.
 */
struct submission *submission_begin(const char *service, const struct msg_mail *mail);
/* Milters judge the content on this connection (milters_channel), which is taken. Right after the begin. */
void submission_filtered(struct submission *s, int channel);
int submission_rcpt(struct submission *s, struct view address, struct view orcpt, uint8_t notify);
/* Of internal mail: an address that an alias made of `original`. */
int submission_forward_rcpt(struct submission *s, struct view address, struct view original,
			    struct view orcpt, uint8_t notify);
int submission_data(struct submission *s, struct view bytes);
/* After all content: what was found out only then. */
int submission_late(struct submission *s, const struct msg_late *late);
/* MAIL_FLAG_... that receive_override_options asks for. */
uint8_t submission_override_flags(void);
struct submission_verdict {
	uint32_t code;
	struct str status, text;
	struct str queue_id; /* empty: there is none */
};
void submission_verdict_free(struct submission_verdict *verdict);
/*
 * Ends the content and waits until the message is durable. Frees s. 0 with the verdict, or a
 * negative errno: the message is lost, say 451.
 */
int submission_commit(struct submission *s, struct submission_verdict *verdict);
/* Forgets the message. NULL is allowed. */
void submission_abort(struct submission *s);

#endif
