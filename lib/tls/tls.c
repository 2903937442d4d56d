/* TLS on a stream: handshakes, and one read or write at a time. */
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/mem.h"
#include "task/stream_layer.h"
#include "tls/internal.h"

struct tls_session {
	SSL *ssl;
	bool broken; /* OpenSSL said that it must not be used any more */
	bool verified;
	bool dane; /* TLSA records decide whether the peer is the right one */
};

static struct tls_session *session_of(const struct stream *io)
{
	return io->layer_state;
}

static void tls_session_free(void *state)
{
	struct tls_session *session = state;

	SSL_free(session->ssl);
	free(session);
}

/*
 * What an OpenSSL call that did not succeed means. OpenSSL's queue of errors belongs to the thread,
 * that is to all tasks together: it must have been emptied before the call.
 */
static int handshake_judge(struct stream *io, int result, int system_error, const char *what,
			   enum direction *direction)
{
	struct tls_session *session = session_of(io);
	const char *reason;

	switch (SSL_get_error(session->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		*direction = FOR_READING;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		*direction = FOR_WRITING;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		session->broken = true;
		return system_error ? -system_error : 0;
	default:
		session->broken = true;
		reason = tls_take_reason();
		stream_set_error(io, "%s: %s", what, reason ? reason : "protocol error");
		return -EPROTO;
	}
}

static ssize_t tls_read(struct stream *io, char *data, size_t len, enum direction *direction)
{
	struct tls_session *session = session_of(io);
	int n;

	if (session->broken)
		return -EPROTO;
	ERR_clear_error();
	errno = 0;
	n = SSL_read(session->ssl, data, (int)MIN(len, (size_t)INT_MAX));
	return n > 0 ? n : handshake_judge(io, n, errno, "TLS read", direction);
}

static ssize_t tls_write(struct stream *io, const char *data, size_t len, enum direction *direction)
{
	struct tls_session *session = session_of(io);
	int n;

	if (session->broken)
		return -EPROTO;
	ERR_clear_error();
	errno = 0;
	n = SSL_write(session->ssl, data, (int)MIN(len, (size_t)INT_MAX));
	if (n > 0)
		return n;
	n = handshake_judge(io, n, errno, "TLS write", direction);
	return n == 0 ? -EPIPE : n;
}

static void tls_close_notify(struct stream *io)
{
	const struct tls_session *session = session_of(io);

	if (session->broken || !SSL_is_init_finished(session->ssl))
		return;
	ERR_clear_error();
	SSL_shutdown(session->ssl);
	ERR_clear_error();
}

static const struct stream_layer tls_layer = {
	.read = tls_read,
	.write = tls_write,
	.say_goodbye = tls_close_notify,
	.free = tls_session_free,
};

/* The whole handshake has the time of one wait: a peer cannot stretch it byte by byte. */
static int shake_hands(struct stream *io)
{
	msec_t deadline = stream_wait_deadline(io);

	for (;;) {
		enum direction direction;
		int r;

		ERR_clear_error();
		errno = 0;
		r = SSL_do_handshake(session_of(io)->ssl);
		if (r == 1)
			return 0;
		r = handshake_judge(io, r, errno, "TLS handshake", &direction);
		if (r == 0)
			return -ENODATA;
		if (r == -EAGAIN)
			r = poll_wait_change(io->fd, direction, !io->finishes_first, deadline);
		if (r < 0)
			return r;
	}
}

static void set_servername(SSL *ssl, const char *name)
{
	ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);

	/* An address is no server name (RFC 6066 section 3). */
	if (address == NULL)
		SSL_set_tlsext_host_name(ssl, name);
	ASN1_OCTET_STRING_free(address);
}

/* DANE-TA(2) and DANE-EE(3); the others are not for SMTP (RFC 7672 section 3.1.3). */
static void set_tlsa(struct tls_session *session, const struct tls_peer_check *check)
{
	const unsigned char *data;

	session->dane = true;
	if (check->servername == NULL || SSL_dane_enable(session->ssl, check->servername) <= 0)
		return;
	/* The record names the key itself: then names and dates say nothing more (section 3.1.1). */
	SSL_dane_set_flags(session->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	for (size_t i = 0; check->names != NULL && check->names[i] != NULL; i++)
		SSL_add1_host(session->ssl, check->names[i]);
	for (size_t i = 0; i < check->tlsa_count; i++) {
		const struct tls_tlsa *record = &check->tlsa[i];

		data = (const unsigned char *)record->data.data;
		if (record->usage == 2 || record->usage == 3)
			SSL_dane_tlsa_add(session->ssl, record->usage, record->selector,
					  record->matching_type, data, record->data.len);
	}
	ERR_clear_error();
}

static int restrict_session(struct stream *io, SSL *ssl, const struct tls_peer_check *check)
{
	struct error err = ERROR_NONE;

	if (check->protocols != NULL && tls_session_protocols(ssl, check->protocols, &err) < 0) {
		stream_set_error(io, "%s", err.text);
		return -EPROTO;
	}
	if (check->cipher_list != NULL && !SSL_set_cipher_list(ssl, check->cipher_list)) {
		ERR_clear_error();
		stream_set_error(io, "no such TLS ciphers: %s", check->cipher_list);
		return -EPROTO;
	}
	return 0;
}

static int handshake_start(struct stream *io, struct tls_context *tls,
			   const struct tls_peer_check *check)
{
	struct tls_session *session;
	SSL *ssl;
	int r;

	if (io->layer != NULL || tls == NULL)
		return -EINVAL;
	if (io->in_len > 0) {
		stream_set_error(io, "TLS handshake: there was plain input before it");
		return stream_fail_reading(io, -EPROTO);
	}
	r = stream_flush(io);
	if (r < 0)
		return r;
	ssl = SSL_new(tls->ctx);
	if (ssl == NULL || !SSL_set_fd(ssl, io->fd))
		mem_exhausted();
	session = mem_new(struct tls_session);
	session->ssl = ssl;
	io->layer = &tls_layer;
	io->layer_state = session;
	if (tls->server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	if (check != NULL && check->servername != NULL)
		set_servername(ssl, check->servername);
	if (check != NULL && check->tlsa_count > 0)
		set_tlsa(session, check);
	r = check != NULL ? restrict_session(io, ssl, check) : 0;
	if (r == 0)
		r = shake_hands(io);
	if (r < 0) {
		/* Neither TLS nor plain any more, even if it was the shut-down that came between. */
		session->broken = true;
		stream_fail_reading(io, r);
		stream_fail_writing(io, r);
	}
	/* A handshake goes deep; the connection may be idle from now on. */
	task_trim_stack();
	return r;
}

int stream_start_tls_server(struct stream *io, struct tls_context *tls)
{
	return tls != NULL && tls->server ? handshake_start(io, tls, NULL) : -EINVAL;
}

/* ---- the peer's name ---- */

static bool name_matches(X509 *cert, const char *name)
{
	/* "www*.example.com" is too clever. */
	const unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;

	return X509_check_host(cert, name, 0, flags, NULL) == 1 ||
	       X509_check_ip_asc(cert, name, 0) == 1;
}

static int check_peer(struct stream *io, const struct tls_peer_check *check)
{
	const char *const only_servername[] = { check->servername, NULL };
	const char *const *names = check->names ? check->names : only_servername;
	const struct tls_session *session = session_of(io);
	X509 *cert = SSL_get0_peer_certificate(session->ssl);
	long problem = SSL_get_verify_result(session->ssl);

	if (cert == NULL) {
		stream_set_error(io, "the server has no certificate");
		return -EPROTO;
	}
	if (problem != X509_V_OK) {
		stream_set_error(io, "the server's certificate is not trusted: %s",
				 X509_verify_cert_error_string(problem));
		return -EPROTO;
	}
	if (session->dane) {
		/* OpenSSL has checked the names, where the record asks for that. */
		if (SSL_get0_dane_authority(session->ssl, NULL, NULL) >= 0)
			return 0;
		stream_set_error(io, "no usable TLSA record matches the server's certificate");
		return -EPROTO;
	}
	for (size_t i = 0; names[i] != NULL; i++)
		if (name_matches(cert, names[i]))
			return 0;
	stream_set_error(io, "the server's certificate is not for %s",
			 names[0] ? names[0] : "any name that was asked for");
	return -EPROTO;
}

int stream_start_tls_client(struct stream *io, struct tls_context *tls,
			    const struct tls_peer_check *check)
{
	int r = tls != NULL && !tls->server ? handshake_start(io, tls, check) : -EINVAL;

	if (r < 0 || check == NULL)
		return r;
	r = check_peer(io, check);
	ERR_clear_error();
	session_of(io)->verified = r == 0;
	/* Encryption that nobody asked to be verified is still better than none (RFC 7435). */
	return check->verify && r < 0 ? stream_fail_reading(io, r) : 0;
}

const SSL *stream_tls_session(const struct stream *io)
{
	const struct tls_session *session = session_of(io);

	return io->layer == &tls_layer && SSL_is_init_finished(session->ssl) ? session->ssl : NULL;
}

bool stream_tls_info(const struct stream *io, struct tls_info *info)
{
	const struct tls_session *session = session_of(io);
	SSL *ssl;

	if (io->layer != &tls_layer || !SSL_is_init_finished(session->ssl))
		return false;
	ssl = session->ssl;
	*info = (struct tls_info){
		.protocol = SSL_get_version(ssl),
		.cipher = SSL_get_cipher_name(ssl),
		.cipher_bits = SSL_get_cipher_bits(ssl, NULL),
		.verified = session->verified,
		.resumed = SSL_session_reused(ssl) == 1,
		.servername = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
		.by_servername =
			SSL_is_server(ssl) &&
			SSL_get_certificate(ssl) != SSL_CTX_get0_certificate(SSL_get_SSL_CTX(ssl)),
	};
	return true;
}
