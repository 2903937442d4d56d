#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "certificate.h"

static void must(bool fine)
{
	if (!fine)
		abort();
}

static void add_extension(X509 *cert, const char *name, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf(NULL, NULL, name, value);

	must(extension != NULL && X509_add_ext(cert, extension, -1));
	X509_EXTENSION_free(extension);
}

static struct identity identity_certify(EVP_PKEY *key, const char *common_name, const char *names,
					const struct identity *issuer)
{
	static long serial;
	struct identity made = { .cert = X509_new(), .key = key };
	bool own_digest;
	X509_NAME *subject;

	must(made.key != NULL && made.cert != NULL);
	X509_set_version(made.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made.cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(made.cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(made.cert), 3600);
	X509_set_pubkey(made.cert, made.key);
	subject = X509_get_subject_name(made.cert);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)common_name,
				   -1, -1, 0);
	X509_set_issuer_name(made.cert, issuer ? X509_get_subject_name(issuer->cert) : subject);
	if (names != NULL)
		add_extension(made.cert, "subjectAltName", names);
	else
		add_extension(made.cert, "basicConstraints", "critical,CA:TRUE");
	own_digest = EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448");
	must(X509_sign(made.cert, issuer ? issuer->key : made.key,
		       own_digest ? NULL : EVP_sha256()) > 0);
	return made;
}

struct identity identity_make(const char *common_name, const char *names,
			      const struct identity *issuer, bool rsa)
{
	return identity_certify(rsa ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
				    : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"),
				common_name, names, issuer);
}

struct identity identity_make_of(EVP_PKEY *key, const char *common_name, const char *names)
{
	return identity_certify(key, common_name, names, NULL);
}

void identity_free(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->cert);
}

void identity_write(const struct identity *identity, const char *path, bool key, bool cert)
{
	FILE *file = fopen(path, "a");

	must(file != NULL);
	if (key)
		must(PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL));
	if (cert)
		must(PEM_write_X509(file, identity->cert));
	fclose(file);
}
