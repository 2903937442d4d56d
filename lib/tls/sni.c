/*
 * A server that has several names: the certificate is chosen by the one that the client asks for
 * (SNI, RFC 6066 section 3). Who has the keys also knows which certificates there are; it is asked
 * in the middle of the handshake, as for a signature (provider.c says why that is right).
 */
#include <openssl/err.h>

#include "base/mem.h"
#include "tls/internal.h"

#define SERVERNAME_MAX 253 /* RFC 1035 */

static int sni_use_identity(void *argument, struct tls_identity *id, const char *path,
			    struct error *err)
{
	SSL *ssl = argument;

	id->key = remote_key_of(id->cert);
	if (id->key == NULL)
		return error_set(err, -EINVAL, "%s: a key of this type is not used for TLS", path);
	if (SSL_use_cert_and_key(ssl, id->cert, id->key, id->chain, 1) != 1)
		return tls_failed(err, "use the certificate of", path);
	return 0;
}

/* What no name is has no certificate. */
static bool is_servername(const char *name)
{
	size_t len =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");

	return name[0] != '.' && len > 0 && len <= SERVERNAME_MAX && name[len] == '\0';
}

static int choose_by_servername(SSL *ssl, int *alert, void *argument)
{
	const struct tls_context *tls = argument;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	_cleanup_(str_free) struct str chain = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r;

	if (name == NULL || !is_servername(name))
		return SSL_TLSEXT_ERR_NOACK;
	r = tls->find_chain(tls->sni_maps, view_of(name), &chain);
	if (r == 0)
		return SSL_TLSEXT_ERR_NOACK;
	if (r > 0) {
		/* A certificate of another kind that the server has otherwise is not this name's. */
		SSL_certs_clear(ssl);
		r = identities_read_text(str_view(&chain), name, false, sni_use_identity, ssl,
					 &err);
	}
	ERR_clear_error();
	if (r == 0)
		return SSL_TLSEXT_ERR_OK;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void sni_enable(struct tls_context *tls, const struct tls_options *options)
{
	tls->sni_maps = options->sni_maps;
	tls->find_chain = options->find_chain;
	SSL_CTX_set_tlsext_servername_callback(tls->ctx, choose_by_servername);
	SSL_CTX_set_tlsext_servername_arg(tls->ctx, tls);
}
