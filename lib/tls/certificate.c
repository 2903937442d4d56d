/* What the certificate of the other side says: its fingerprints and names. */
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/mem.h"
#include "task/stream_layer.h"
#include "tls/internal.h"

#define NAME_MAX_BYTES 256 /* of a common name */

void tls_certificate_free(struct tls_certificate *certificate)
{
	str_free(&certificate->fingerprint);
	str_free(&certificate->key_fingerprint);
	str_free(&certificate->subject);
	str_free(&certificate->issuer);
	*certificate = (struct tls_certificate){ 0 };
}

/* "AB:CD:..." of the DER bytes, which are freed. */
static void certificate_digest_of(const EVP_MD *digest, unsigned char *der, int length,
				  struct str *out)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned count = 0;

	if (length > 0 && EVP_Digest(der, (size_t)length, bytes, &count, digest, NULL) == 1)
		for (unsigned i = 0; i < count; i++)
			str_printf(out, "%s%02X", i > 0 ? ":" : "", bytes[i]);
	OPENSSL_free(der);
}

static void common_name(X509_NAME *name, struct str *out)
{
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	unsigned char *text = NULL;
	int length;

	if (at < 0)
		return;
	length =
		ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	if (length > 0)
		str_append_printable(out,
				     view_make(text, MIN((size_t)length, (size_t)NAME_MAX_BYTES)));
	OPENSSL_free(text);
}

bool stream_tls_certificate(const struct stream *io, const char *digest_name,
			    struct tls_certificate *out)
{
	const EVP_MD *digest = EVP_get_digestbyname(digest_name);
	const SSL *ssl = stream_tls_session(io);
	X509 *cert = ssl != NULL ? SSL_get0_peer_certificate(ssl) : NULL;
	unsigned char *der = NULL;
	int length;

	tls_certificate_free(out);
	if (cert == NULL || digest == NULL)
		return false;
	length = i2d_X509(cert, &der);
	certificate_digest_of(digest, der, length, &out->fingerprint);
	der = NULL;
	length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	certificate_digest_of(digest, der, length, &out->key_fingerprint);
	common_name(X509_get_subject_name(cert), &out->subject);
	common_name(X509_get_issuer_name(cert), &out->issuer);
	out->trusted = SSL_get_verify_result(ssl) == X509_V_OK;
	return true;
}
