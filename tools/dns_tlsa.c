/* posta dns: TLSA records and the certificates that they are about (RFC 6698). Asks nobody. */
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tools/dns.h"

enum { USAGE_AUTHORITY = 2, USAGE_SERVER = 3 };

/* The certificate, or its public key, as the record has it. */
static bool tlsa_describe(X509 *certificate, unsigned selector, unsigned matching, struct str *hex)
{
	unsigned char *der = NULL, digest[SHA512_DIGEST_LENGTH];
	const unsigned char *bytes = digest;
	int length = selector == 1 ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der)
				   : i2d_X509(certificate, &der);
	size_t count = 0;

	if (length < 0)
		return false;
	if (matching == 0) {
		bytes = der;
		count = (size_t)length;
	} else if (matching == 1) {
		SHA256(der, (size_t)length, digest);
		count = SHA256_DIGEST_LENGTH;
	} else if (matching == 2) {
		SHA512(der, (size_t)length, digest);
		count = SHA512_DIGEST_LENGTH;
	}
	for (size_t i = 0; i < count; i++)
		str_printf(hex, "%02x", bytes[i]);
	OPENSSL_free(der);
	return count > 0;
}

bool dns_tlsa_of_key(const char *path, struct str *hex)
{
	FILE *file = fopen(path, "re");
	X509 *certificate = file != NULL ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
	bool good = certificate != NULL && tlsa_describe(certificate, 1, 1, hex);

	if (file != NULL)
		fclose(file);
	X509_free(certificate);
	return good;
}

bool dns_tlsa_fits(const char *path, struct view record)
{
	unsigned values[3] = { 0 }; /* usage, selector, matching type */
	bool fits = false, first = true;
	struct view word;
	X509 *certificate;
	FILE *file;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (!view_next_word(&record, " ", &word) ||
		    view_parse_u32(word, 255, &values[i]) < 0)
			return false;
	record = view_trim(record);
	if ((values[0] != USAGE_AUTHORITY && values[0] != USAGE_SERVER) || values[1] > 1 ||
	    (file = fopen(path, "re")) == NULL)
		return false;
	while (!fits && (certificate = PEM_read_X509(file, NULL, NULL, NULL)) != NULL) {
		_cleanup_(str_free) struct str hex = STR_EMPTY;

		/* The server's own stands first, those of authorities after it. */
		fits = (first || values[0] == USAGE_AUTHORITY) &&
		       tlsa_describe(certificate, values[1], values[2], &hex) &&
		       view_eq_nocase(str_view(&hex), record);
		first = false;
		X509_free(certificate);
	}
	fclose(file);
	return fits;
}
