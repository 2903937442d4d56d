/* STARTTLS, RFC 3207, and TLS from the first byte. */
#include "base/log.h"
#include "conf/conf.h"
#include "server.h"
#include "session.h"
#include "tls/tls.h"

/* RFC 3207 4.2: what was known before came from anybody. */
static void forget_everything(struct session *s)
{
	transaction_reset(s);
	s->state = STATE_NEW;
	s->esmtp = false;
	str_clear(&s->helo);
	str_clear(&s->login);
	str_clear(&s->sasl_method);
}

static void note_tls(struct session *s, bool shown)
{
	struct tls_info info;

	if (param.smtpd_tls_loglevel > 0 && stream_tls_info(s->io, &info))
		log_info(
			"%s TLS connection established from %s%s%s: %s with cipher %s (%d/%d bits)",
			!shown			 ? "Anonymous"
			: s->certificate.trusted ? "Trusted"
						 : "Untrusted",
			str_cstr(&s->who), info.by_servername ? " to " : "",
			info.by_servername ? info.servername : "", info.protocol, info.cipher,
			info.cipher_bits, info.cipher_bits);
	if (param.smtpd_tls_loglevel > 0 && shown)
		log_info("%s: subject_CN=%s, issuer_CN=%s, fingerprint=%s, pkey_fingerprint=%s",
			 str_cstr(&s->who), str_cstr(&s->certificate.subject),
			 str_cstr(&s->certificate.issuer), str_cstr(&s->certificate.fingerprint),
			 str_cstr(&s->certificate.key_fingerprint));
}

/* smtpd_tls_req_ccert, which counts where TLS is required. */
static bool has_needed_certificate(struct session *s, bool shown)
{
	if (!param.smtpd_tls_req_ccert || server.tls_level != TLS_ENCRYPT || s->certificate.trusted)
		return true;
	log_info("NOQUEUE: abort: TLS from %s: %s", str_cstr(&s->who),
		 shown ? "Client certificate not trusted" : "No client certificate presented");
	reply(s, "421 4.7.0 %s Error: a trusted client certificate is needed", param.myhostname);
	return false;
}

int session_start_tls(struct session *s)
{
	bool shown;

	s->where = "STARTTLS";
	if (limit_exceeded(s, ANVIL_TLS, param.smtpd_client_new_tls_session_rate_limit,
			   "New TLS session"))
		return -1;
	stream_set_deadline(s->io, clock_after(param.smtpd_starttls_timeout));

	int r = stream_start_tls_server(s->io, server.tls);

	stream_set_deadline(s->io, MSEC_FOREVER);
	if (r < 0) {
		log_info("SSL_accept error from %s: %s", str_cstr(&s->who), stream_error(s->io));
		log_info("lost connection after STARTTLS from %s", str_cstr(&s->who));
		return r;
	}
	forget_everything(s);
	s->secured = true;
	shown = stream_tls_certificate(s->io, param.smtpd_tls_fingerprint_digest, &s->certificate);
	note_tls(s, shown);
	return has_needed_certificate(s, shown) ? 0 : -1;
}

int verb_starttls(struct session *s, struct view argument)
{
	if (argument.len > 0)
		return reply(s, "501 5.5.4 Syntax: STARTTLS");
	if (s->secured)
		return reply(s, "554 5.5.1 Error: TLS already active");
	if (server.tls == NULL || (s->discarded & EHLO_STARTTLS))
		return reply(s, "502 5.5.1 Error: command not implemented");

	/* Commands after it were written by somebody who hoped that they would count as secured. */
	if (stream_buffered(s->io).len > 0) {
		log_warning("%zu bytes of plaintext after STARTTLS dropped, from %s",
			    stream_buffered(s->io).len, str_cstr(&s->who));
		stream_discard_input(s->io);
		forget_everything(s);
	}
	reply(s, "220 2.0.0 Ready to start TLS");
	if (stream_flush(s->io) < 0)
		return SESSION_DONE;
	return session_start_tls(s) < 0 ? SESSION_DONE : SESSION_GOES_ON;
}
