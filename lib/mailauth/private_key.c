/* Private keys for signing mail. Only the program that holds keys, and the tool, have any. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/encode.h"
#include "base/mem.h"
#include "mailauth/dkim.h"

#define SIGNATURE_SIZE_MAX 2048

struct private_key {
	EVP_PKEY *key;
	enum signature_algorithm algorithm;
};

/* Nobody is asked for a passphrase. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

struct private_key *private_key_read(struct view pem, struct error *err)
{
	BIO *bio = BIO_new_mem_buf(pem.len > 0 ? pem.data : "", (int)pem.len);
	EVP_PKEY *key =
		bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	struct private_key *found = NULL;
	int id = key != NULL ? EVP_PKEY_base_id(key) : EVP_PKEY_NONE;

	BIO_free(bio);
	if (key == NULL)
		error_set(err, -EINVAL, "no private key in PEM form without a passphrase");
	else if (id != EVP_PKEY_RSA && id != EVP_PKEY_ED25519)
		error_set(err, -EINVAL, "neither an RSA nor an Ed25519 key");
	else if (id == EVP_PKEY_RSA &&
		 (EVP_PKEY_bits(key) < KEY_BITS_MIN || EVP_PKEY_bits(key) > KEY_BITS_MAX))
		error_set(err, -EINVAL, "an RSA key of %d bits: 1024 to 4096 are used",
			  EVP_PKEY_bits(key));
	else
		found = mem_new(struct private_key);
	if (found == NULL) {
		EVP_PKEY_free(key);
		return NULL;
	}
	found->key = key;
	found->algorithm = id == EVP_PKEY_RSA ? ALGORITHM_RSA_SHA256 : ALGORITHM_ED25519_SHA256;
	return found;
}

void private_key_free(struct private_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->key);
	free(key);
}

void private_key_freep(struct private_key **key)
{
	private_key_free(*key);
}

enum signature_algorithm private_key_algorithm(const struct private_key *key)
{
	return key->algorithm;
}

unsigned private_key_bits(const struct private_key *key)
{
	return (unsigned)EVP_PKEY_bits(key->key);
}

static bool sign_rsa(EVP_PKEY *key, struct view digest, unsigned char *bytes, size_t *len)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
	bool good = context != NULL && EVP_PKEY_sign_init(context) == 1 &&
		    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
		    EVP_PKEY_sign(context, bytes, len, (const unsigned char *)digest.data,
				  digest.len) == 1;

	EVP_PKEY_CTX_free(context);
	return good;
}

static bool sign_ed25519(EVP_PKEY *key, struct view digest, unsigned char *bytes, size_t *len)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestSign(context, bytes, len, (const unsigned char *)digest.data,
				   digest.len) == 1;

	EVP_MD_CTX_free(context);
	return good;
}

int private_key_sign(void *context, struct view digest, struct str *out)
{
	const struct private_key *key = context;
	unsigned char bytes[SIGNATURE_SIZE_MAX];
	size_t len = sizeof(bytes);
	bool good;

	if (digest.len != CANON_DIGEST_SIZE)
		return -EINVAL;
	good = key->algorithm == ALGORITHM_RSA_SHA256 ? sign_rsa(key->key, digest, bytes, &len)
						      : sign_ed25519(key->key, digest, bytes, &len);
	if (!good)
		return -EIO;
	str_append(out, view_make(bytes, len));
	return 0;
}

void private_key_record(const struct private_key *key, struct str *out)
{
	unsigned char raw[32], *der = NULL;
	size_t len = sizeof(raw);

	if (key->algorithm == ALGORITHM_ED25519_SHA256) {
		str_append_cstr(out, "v=DKIM1; k=ed25519; p=");
		if (EVP_PKEY_get_raw_public_key(key->key, raw, &len) != 1)
			mem_exhausted();
		base64_encode(out, view_make(raw, len));
		return;
	}
	str_append_cstr(out, "v=DKIM1; k=rsa; p=");
	int size = i2d_PUBKEY(key->key, &der);

	if (size < 0)
		mem_exhausted();
	base64_encode(out, view_make(der, (size_t)size));
	OPENSSL_free(der);
}
