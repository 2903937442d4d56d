/* Certificates for tests, made on the spot. */
#ifndef TEST_CERTIFICATE_H
#define TEST_CERTIFICATE_H

#include <stdbool.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

struct identity {
	EVP_PKEY *key;
	X509 *cert;
};

/*
 * `names`: subjectAltName as in "DNS:mx.example.org,IP:127.0.0.1", NULL for an authority.
 * `issuer`: NULL: signed by itself. `rsa`: an RSA key, else P-256.
 */
struct identity identity_make(const char *common_name, const char *names,
			      const struct identity *issuer, bool rsa);
/* Of any key, which then belongs to it; signed by itself. */
struct identity identity_make_of(EVP_PKEY *key, const char *common_name, const char *names);
void identity_free(struct identity *identity);
/* Adds key and certificate (either may be left out) to a PEM file. */
void identity_write(const struct identity *identity, const char *path, bool key, bool cert);

#endif
