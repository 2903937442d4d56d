/* Certificates, keys and what of TLS is allowed: everything that is read before the chroot. */
#include "tls/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tls/internal.h"

/* ---- protocol versions ---- */

static const struct version {
	const char *name;
	int number;
	uint64_t without;
} versions[] = {
	{ "SSLv2", 0, 0 }, /* OpenSSL has it no more; old configurations exclude it */
	{ "SSLv3", SSL3_VERSION, SSL_OP_NO_SSLv3 },
	{ "TLSv1", TLS1_VERSION, SSL_OP_NO_TLSv1 },
	{ "TLSv1.0", TLS1_VERSION, SSL_OP_NO_TLSv1 },
	{ "TLSv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1 },
	{ "TLSv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2 },
	{ "TLSv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3 },
};

static const struct version *find_version(struct view name)
{
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		if (view_is_nocase(name, versions[i].name))
			return &versions[i];
	return NULL;
}

/* What of the versions is allowed. */
struct versions_allowed {
	uint64_t without;    /* SSL_OP_NO_... */
	int lowest, highest; /* 0: no limit */
};

static uint64_t all_versions(void)
{
	uint64_t all = 0;

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		all |= versions[i].without;
	return all;
}

/* Postfix's syntax: ">=TLSv1.2", "<=...", "!TLSv1, !TLSv1.1", or a list of those that are wanted. */
static int read_protocols(const char *text, struct versions_allowed *allowed, struct error *err)
{
	struct view rest = view_of(text), word;
	uint64_t wanted = 0;

	*allowed = (struct versions_allowed){ 0 };
	while (view_next_word(&rest, " ,:\t\r\n", &word)) {
		struct view name = word;

		while (name.len > 0 && strchr("!<>=", name.data[0]) != NULL)
			name = view_from(name, 1);

		struct view sign = view_first(word, word.len - name.len);
		const struct version *version = find_version(name);

		if (version == NULL)
			return error_set(err, -EINVAL, "unknown TLS protocol version %.*s",
					 VIEW_ARG(word));
		if (view_is(sign, ">="))
			allowed->lowest = version->number;
		else if (view_is(sign, "<="))
			allowed->highest = version->number;
		else if (view_is(sign, "!"))
			allowed->without |= version->without;
		else if (sign.len == 0)
			wanted |= version->without;
		else
			return error_set(err, -EINVAL, "TLS protocol versions: %.*s?",
					 VIEW_ARG(word));
	}
	if (wanted != 0)
		allowed->without |= all_versions() & ~wanted;
	return 0;
}

static int set_protocols(SSL_CTX *ctx, const char *text, struct error *err)
{
	struct versions_allowed allowed;
	int r = read_protocols(text, &allowed, err);

	if (r < 0)
		return r;
	SSL_CTX_set_options(ctx, allowed.without);
	if (!SSL_CTX_set_min_proto_version(ctx, allowed.lowest) ||
	    !SSL_CTX_set_max_proto_version(ctx, allowed.highest))
		return tls_failed(err, "TLS protocol versions", text);
	return 0;
}

int tls_session_protocols(SSL *ssl, const char *text, struct error *err)
{
	struct versions_allowed allowed;
	int r = read_protocols(text, &allowed, err);

	if (r < 0)
		return r;
	SSL_clear_options(ssl, all_versions());
	SSL_set_options(ssl, allowed.without);
	if (!SSL_set_min_proto_version(ssl, allowed.lowest) ||
	    !SSL_set_max_proto_version(ssl, allowed.highest))
		return tls_failed(err, "TLS protocol versions", text);
	return 0;
}

/* ---- certificates ---- */

struct identity_use {
	SSL_CTX *ctx;
	bool remote; /* somebody else has the keys */
};

static int context_use_identity(void *argument, struct tls_identity *id, const char *path,
				struct error *err)
{
	const struct identity_use *use = argument;

	if (use->remote) {
		id->key = remote_key_of(id->cert);
		if (id->key == NULL)
			return error_set(err, -EINVAL, "%s: a key of this type is not used for TLS",
					 path);
	}
	if (SSL_CTX_use_cert_and_key(use->ctx, id->cert, id->key, id->chain, 1) != 1)
		return tls_failed(err, "use the certificate of", path);
	return 0;
}

static int context_use_files(SSL_CTX *ctx, const struct tls_options *options, struct error *err)
{
	struct identity_use use = { .ctx = ctx, .remote = options->sign != NULL };
	int r = use.remote ? remote_key_open(options->sign, err) : 0;

	if (r == 0)
		r = identities_read(options, !use.remote, context_use_identity, &use, err);
	if (r < 0)
		return r;
	if (options->server && SSL_CTX_get0_certificate(ctx) == NULL)
		return error_set(err, -EINVAL, "a TLS server needs a certificate");
	if (options->ca_file != NULL && !SSL_CTX_load_verify_file(ctx, options->ca_file))
		return tls_failed(err, "read the trusted certificates in", options->ca_file);
	if (options->ca_path != NULL && !SSL_CTX_load_verify_dir(ctx, options->ca_path))
		return tls_failed(err, "use the folder of trusted certificates", options->ca_path);
	return 0;
}

/* ---- application protocol ---- */

/*
 * A client that speaks another protocol (a browser that was lured here with our certificate,
 * ALPACA) says so; one that says nothing is an ordinary mail client.
 */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *in, unsigned int in_len, void *argument)
{
	const struct tls_context *tls = argument;
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, out_len, tls->alpn, 1U + tls->alpn[0], in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int set_alpn(struct tls_context *tls, const char *name, struct error *err)
{
	size_t len = strlen(name);

	if (len == 0 || len > ALPN_NAME_MAX)
		return error_set(err, -EINVAL, "bad ALPN protocol name \"%s\"", name);
	tls->alpn[0] = (unsigned char)len;
	memcpy(tls->alpn + 1, name, len);
	if (tls->server)
		SSL_CTX_set_alpn_select_cb(tls->ctx, select_alpn, tls);
	else
		SSL_CTX_set_alpn_protos(tls->ctx, tls->alpn, (unsigned)len + 1);
	return 0;
}

/* ---- the whole ---- */

/* Tickets of one service mean nothing to another, whatever keys they share. */
static void set_session_context(struct tls_context *tls)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	_cleanup_(str_free) struct str name = STR_EMPTY;

	str_printf(&name, "posta %.*s", tls->alpn[0], (const char *)tls->alpn + 1);
	SHA256((const unsigned char *)name.data, name.len, digest);
	SSL_CTX_set_session_id_context(tls->ctx, digest, sizeof(digest));
}

/* What a client shows is looked at afterwards; the handshake goes on in any case. */
static int context_accept_certificate(int fine, X509_STORE_CTX *store)
{
	(void)fine, (void)store;
	return 1;
}

static int configure(struct tls_context *tls, const struct tls_options *options, struct error *err)
{
	const char *protocols = options->protocols ? options->protocols : ">=TLSv1.2";
	int r;

	/*
	 * Buffers of 34 kB a connection are released while it is idle. A write may be repeated from
	 * another place, and may be done in part.
	 */
	SSL_CTX_set_mode(tls->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Mail protocols mark their own ends, so a missing close_notify can hide nothing. */
	SSL_CTX_set_options(tls->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
					      SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_dh_auto(tls->ctx, 1);
	if (options->server && options->ask_certificate)
		SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, context_accept_certificate);
	if (!tls->server && SSL_CTX_dane_enable(tls->ctx) <= 0)
		return tls_failed(err, "enable DANE in", "OpenSSL");
	r = set_protocols(tls->ctx, protocols, err);
	if (r == 0)
		r = ciphers_apply(tls->ctx, options, err);
	if (r == 0)
		r = context_use_files(tls->ctx, options, err);
	if (r == 0 && options->alpn != NULL)
		r = set_alpn(tls, options->alpn, err);
	if (r == 0)
		set_session_context(tls);
	if (r == 0 && options->server && options->sni_maps != NULL && options->sni_maps[0] != '\0')
		sni_enable(tls, options);
	return r;
}

struct tls_context *tls_context_new(const struct tls_options *options, struct error *err)
{
	struct tls_context *tls = mem_new(struct tls_context);

	ERR_clear_error();
	tls->server = options->server;
	tls->ctx = SSL_CTX_new(options->server ? TLS_server_method() : TLS_client_method());
	if (tls->ctx == NULL) {
		tls_failed(err, "start", "OpenSSL");
		free(tls);
		return NULL;
	}
	if (configure(tls, options, err) < 0) {
		tls_context_free(tls);
		return NULL;
	}
	return tls;
}

void tls_context_free(struct tls_context *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->ctx);
	free(tls);
}
