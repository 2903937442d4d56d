/* What the files of this library share; nobody else includes it. */
#ifndef TLS_INTERNAL_H
#define TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "base/error.h"
#include "tls/tls.h"

#define ALPN_NAME_MAX 32

struct tls_context {
	SSL_CTX *ctx;
	bool server;
	const char *sni_maps; /* NULL: none */
	tls_chain_function *find_chain;
	unsigned char alpn[1 + ALPN_NAME_MAX]; /* as on the wire: its length first; 0: none */
};

/* ---- reason.c ---- */

/* The first reason in OpenSSL's queue, or NULL if there is none; empties the queue. */
const char *tls_take_reason(void);
/* -EINVAL with "action what: reason": the failure of an OpenSSL call. */
int tls_failed(struct error *err, const char *action, const char *what);

/* ---- context.c ---- */

/* For one connection, in the place of the context's. 0, or -EINVAL with a reason. */
int tls_session_protocols(SSL *ssl, const char *text, struct error *err);

/* ---- sni.c ---- */

/* Lets this server choose certificates by what clients ask for. */
void sni_enable(struct tls_context *tls, const struct tls_options *options);

/* ---- tls.c ---- */

/* Of a stream whose handshake is over, or NULL. */
const SSL *stream_tls_session(const struct stream *io);

/* ---- identity.c ---- */

/* A key and its certificates. */
struct tls_identity {
	EVP_PKEY *key; /* NULL: not asked for */
	X509 *cert;
	STACK_OF(X509) * chain; /* NULL: none */
	bool has_key;		/* one stands in the file */
};
void identity_clear(struct tls_identity *id);

/* Gets each as it is complete, and may take parts out of it. 0 or a negative errno. */
typedef int identity_taker(void *argument, struct tls_identity *id, const char *path,
			   struct error *err);
/* All that chain_files, or else cert_file and ec_cert_file, name. */
int identities_read(const struct tls_options *options, bool with_keys, identity_taker *take,
		    void *argument, struct error *err);
/* From memory, as a chain file; `name` is what errors call it. */
int identities_read_text(struct view text, const char *name, bool with_keys, identity_taker *take,
			 void *argument, struct error *err);

/* ---- ciphers.c ---- */

/* Ciphers, curves, ssl_options and own_order of the options. 0 or -EINVAL with a reason. */
int ciphers_apply(SSL_CTX *ctx, const struct tls_options *options, struct error *err);

/* ---- provider.c ---- */

/* Before the first of these keys. There is one function for a program. */
int remote_key_open(tls_sign_function *sign, struct error *err);
/* The private key of this certificate, held elsewhere; NULL: a type that is not known. */
EVP_PKEY *remote_key_of(X509 *cert);

#endif
