/*
 * What a login can take from TLS: the connection's channel binding, and the user that a client's
 * certificate is for. It neither shakes hands nor judges a login.
 */
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "task/stream_layer.h"
#include "tls/internal.h"

struct tls_user_ca {
	X509_STORE *store;
};

/* ---- channel binding ---- */

void stream_tls_channel(const struct stream *io, struct tls_channel *out)
{
	static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 */
	SSL *ssl = (SSL *)(uintptr_t)stream_tls_session(io);
	size_t len;

	*out = (struct tls_channel){ .has_exporter = false };
	if (ssl == NULL)
		return;
	/* Without it, two connections of TLS 1.2 could be made to have the same (RFC 7627). */
	if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1)
		return;
	out->has_exporter =
		SSL_export_keying_material(ssl, out->exporter, sizeof(out->exporter), label,
					   sizeof(label) - 1, (const unsigned char *)"", 0, 1) == 1;
	if (SSL_version(ssl) >= TLS1_3_VERSION)
		return;
	/* RFC 5929 3: the first Finished message; the server's is first where a session goes on. */
	len = SSL_session_reused(ssl)
		      ? SSL_get_finished(ssl, out->unique, sizeof(out->unique))
		      : SSL_get_peer_finished(ssl, out->unique, sizeof(out->unique));
	out->unique_len = len <= sizeof(out->unique) ? len : 0;
}

/* ---- the user of a certificate ---- */

struct tls_user_ca *tls_user_ca_open(const char *file, struct error *err)
{
	struct tls_user_ca *ca = mem_new(struct tls_user_ca);

	ca->store = X509_STORE_new();
	if (ca->store == NULL)
		mem_exhausted();
	if (X509_STORE_load_file(ca->store, file) == 1)
		return ca;
	tls_failed(err, "read the certificates of", file);
	tls_user_ca_free(ca);
	return NULL;
}

void tls_user_ca_free(struct tls_user_ca *ca)
{
	if (ca == NULL)
		return;
	X509_STORE_free(ca->store);
	free(ca);
}

/* Is it by one of these, valid now, and for clients? */
static bool certificate_is_of(struct tls_user_ca *ca, const SSL *ssl, X509 *cert)
{
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	bool good;

	if (check == NULL ||
	    X509_STORE_CTX_init(check, ca->store, cert, SSL_get_peer_cert_chain(ssl)) != 1)
		mem_exhausted();
	X509_STORE_CTX_set_default(check, "ssl_client");
	good = X509_verify_cert(check) == 1;
	X509_STORE_CTX_free(check);
	(void)tls_take_reason();
	return good;
}

/* Names with bytes that no login has are none; more than one is nobody's. */
static bool user_take(const ASN1_STRING *text, struct str *user)
{
	unsigned char *utf8 = NULL;
	int len = ASN1_STRING_to_UTF8(&utf8, text);
	bool good = len > 0 && len <= TLS_USER_MAX && user->len == 0;

	for (int i = 0; good && i < len; i++)
		good = utf8[i] > ' ' && utf8[i] < 127;
	if (good)
		str_append(user, view_make(utf8, (size_t)len));
	OPENSSL_free(utf8);
	return good;
}

static bool user_of_subject(X509 *cert, int nid, struct str *user)
{
	X509_NAME *name = X509_get_subject_name(cert);
	bool good = true;

	for (int at = -1; good && (at = X509_NAME_get_index_by_NID(name, nid, at)) >= 0;)
		good = user_take(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)), user);
	return good;
}

/* rfc822Name of the alternative names; old certificates have it in the subject. */
static bool user_of_email(X509 *cert, struct str *user)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool good = true;

	for (int i = 0; good && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_EMAIL)
			good = user_take(name->d.rfc822Name, user);
	}
	GENERAL_NAMES_free(names);
	return good && (user->len > 0 || user_of_subject(cert, NID_pkcs9_emailAddress, user));
}

bool stream_tls_user(const struct stream *io, struct tls_user_ca *ca, enum tls_user_field field,
		     struct str *user)
{
	const SSL *ssl = stream_tls_session(io);
	X509 *cert = ssl != NULL ? SSL_get0_peer_certificate(ssl) : NULL;
	bool good;

	str_clear(user);
	if (ca == NULL || cert == NULL || !certificate_is_of(ca, ssl, cert))
		return false;
	good = field == TLS_USER_EMAIL
		       ? user_of_email(cert, user)
		       : user_of_subject(
				 cert, field == TLS_USER_COMMON_NAME ? NID_commonName : NID_userId,
				 user);
	if (!good)
		str_clear(user);
	return user->len > 0;
}
