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

const char *tls_take_reason(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	if (code && reason == NULL)
		reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : "unknown reason";
	return reason;
}

/* The failure of an OpenSSL call about `what`. */
static int context_failed(struct error *err, const char *action, const char *what)
{
	const char *reason = tls_take_reason();

	return error_set(err, -EINVAL, "%s %s: %s", action, what, reason ? reason : "failed");
}

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

/* Postfix's syntax: ">=TLSv1.2", "<=...", "!TLSv1, !TLSv1.1", or a list of those that are wanted. */
static int set_protocols(SSL_CTX *ctx, const char *text, struct error *err)
{
	struct view rest = view_of(text), word;
	uint64_t all = 0, wanted = 0, unwanted = 0;
	int lowest = 0, highest = 0;

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		all |= versions[i].without;
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
			lowest = version->number;
		else if (view_is(sign, "<="))
			highest = version->number;
		else if (view_is(sign, "!"))
			unwanted |= version->without;
		else if (sign.len == 0)
			wanted |= version->without;
		else
			return error_set(err, -EINVAL, "TLS protocol versions: %.*s?",
					 VIEW_ARG(word));
	}
	if (wanted != 0)
		unwanted |= all & ~wanted;
	SSL_CTX_set_options(ctx, unwanted);
	if (!SSL_CTX_set_min_proto_version(ctx, lowest) ||
	    !SSL_CTX_set_max_proto_version(ctx, highest))
		return context_failed(err, "TLS protocol versions", text);
	return 0;
}

/* ---- certificates ---- */

/* A key and its certificates, being collected from a row of PEM files. */
struct identity {
	EVP_PKEY *key;
	X509 *cert;
	STACK_OF(X509) * chain;
};

static void identity_clear(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
	sk_X509_pop_free(id->chain, X509_free);
	*id = (struct identity){ NULL, NULL, NULL };
}

/* Gives what is complete to the context. */
static int identity_use(struct identity *id, SSL_CTX *ctx, const char *path, struct error *err)
{
	int r = 0;

	if (id->key != NULL && id->cert == NULL)
		r = error_set(err, -EINVAL, "%s: a private key without a certificate", path);
	else if (id->key != NULL &&
		 SSL_CTX_use_cert_and_key(ctx, id->cert, id->key, id->chain, 1) != 1)
		r = context_failed(err, "use the certificate of", path);
	identity_clear(id);
	return r;
}

/* One object of a PEM file. What is neither key nor certificate (parameters) is passed over. */
static int identity_add(struct identity *id, const char *type, const unsigned char *der, long len,
			SSL_CTX *ctx, const char *path, struct error *err)
{
	X509 *cert;

	if (strcmp(type, PEM_STRING_PKCS8) == 0)
		return error_set(err, -EINVAL, "%s: the private key needs a passphrase", path);
	if (view_ends(view_of(type), VIEW("PRIVATE KEY"))) {
		int r = identity_use(id, ctx, path, err);

		if (r < 0)
			return r;
		id->key = d2i_AutoPrivateKey(NULL, &der, len);
		return id->key ? 0 : context_failed(err, "read the private key in", path);
	}
	if (strcmp(type, PEM_STRING_X509) != 0 && strcmp(type, PEM_STRING_X509_OLD) != 0)
		return 0;
	if (id->key == NULL)
		return error_set(err, -EINVAL, "%s: a certificate that no private key precedes",
				 path);
	cert = d2i_X509(NULL, &der, len);
	if (cert == NULL)
		return context_failed(err, "read a certificate in", path);
	if (id->cert == NULL) {
		id->cert = cert;
		return 0;
	}
	if (id->chain == NULL)
		id->chain = sk_X509_new_null();
	if (id->chain == NULL || !sk_X509_push(id->chain, cert))
		mem_exhausted();
	return 0;
}

/* One file of keys and certificates in this order. */
static int read_chain_file(struct identity *id, SSL_CTX *ctx, const char *path, struct error *err)
{
	BIO *file = BIO_new_file(path, "r");
	char *type, *header;
	unsigned char *der;
	long len;
	int r = 0;

	if (file == NULL)
		return context_failed(err, "open", path);
	while (r == 0 && PEM_read_bio(file, &type, &header, &der, &len)) {
		/* The old way to encrypt a key is told by a header line. */
		if (strstr(header, "ENCRYPTED") != NULL)
			r = error_set(err, -EINVAL, "%s: the private key needs a passphrase", path);
		else
			r = identity_add(id, type, der, len, ctx, path, err);
		OPENSSL_free(type);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)len);
	}
	BIO_free(file);
	/* Nothing more to begin is how a good file ends. */
	if (r == 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		r = context_failed(err, "read", path);
	ERR_clear_error();
	return r;
}

static int use_chain_files(SSL_CTX *ctx, const char *files, struct error *err)
{
	struct view rest = view_of(files), word;
	struct identity id = { NULL, NULL, NULL };
	int r = 0;

	while (r == 0 && view_next_word(&rest, " ,\t\r\n", &word)) {
		_cleanup_free_ char *path = mem_strndup(word.data, word.len);

		r = read_chain_file(&id, ctx, path, err);
	}
	if (r == 0)
		r = identity_use(&id, ctx, files, err);
	identity_clear(&id);
	return r;
}

static int no_passphrase(char *buffer, int size, int writing, void *unused)
{
	(void)buffer, (void)size, (void)writing, (void)unused;
	return 0;
}

static int use_cert_file(SSL_CTX *ctx, const char *cert, const char *key, struct error *err)
{
	if (key == NULL)
		key = cert;
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		return context_failed(err, "read the certificate", cert);
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		return context_failed(err, "read the private key", key);
	return 0;
}

static int use_files(SSL_CTX *ctx, const struct tls_options *options, struct error *err)
{
	int r = 0;

	if (options->chain_files != NULL)
		r = use_chain_files(ctx, options->chain_files, err);
	else if (options->cert_file != NULL)
		r = use_cert_file(ctx, options->cert_file, options->key_file, err);
	if (r < 0)
		return r;
	if (options->server && SSL_CTX_get0_certificate(ctx) == NULL)
		return error_set(err, -EINVAL, "a TLS server needs a certificate");
	if (options->ca_file != NULL && !SSL_CTX_load_verify_file(ctx, options->ca_file))
		return context_failed(err, "read the trusted certificates in", options->ca_file);
	if (options->ca_path != NULL && !SSL_CTX_load_verify_dir(ctx, options->ca_path))
		return context_failed(err, "use the folder of trusted certificates",
				      options->ca_path);
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
					      SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_dh_auto(tls->ctx, 1);
	if (!tls->server && SSL_CTX_dane_enable(tls->ctx) <= 0)
		return context_failed(err, "enable DANE in", "OpenSSL");
	r = set_protocols(tls->ctx, protocols, err);
	if (r == 0 && options->cipher_list != NULL &&
	    !SSL_CTX_set_cipher_list(tls->ctx, options->cipher_list))
		r = context_failed(err, "TLS cipher list", options->cipher_list);
	if (r == 0)
		r = use_files(tls->ctx, options, err);
	if (r == 0 && options->alpn != NULL)
		r = set_alpn(tls, options->alpn, err);
	if (r == 0)
		set_session_context(tls);
	return r;
}

struct tls_context *tls_context_new(const struct tls_options *options, struct error *err)
{
	struct tls_context *tls = mem_new(struct tls_context);

	ERR_clear_error();
	tls->server = options->server;
	tls->ctx = SSL_CTX_new(options->server ? TLS_server_method() : TLS_client_method());
	if (tls->ctx == NULL) {
		context_failed(err, "start", "OpenSSL");
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
