/* Private keys, and signing with them: for the one program that has them (tls/keys.h). */
#include "tls/keys.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "base/encode.h"
#include "base/mem.h"
#include "tls/internal.h"

struct tls_key {
	EVP_PKEY *key;
	unsigned char name[TLS_KEY_NAME_SIZE];
};

void tls_key_free(struct tls_key *key)
{
	if (key != NULL)
		EVP_PKEY_free(key->key);
	free(key);
}

struct view tls_key_name(const struct tls_key *key)
{
	return view_make((const char *)key->name, sizeof(key->name));
}

const char *tls_key_type(const struct tls_key *key)
{
	return EVP_PKEY_get0_type_name(key->key);
}

struct key_reading {
	tls_key_taker *take;
	void *argument;
	struct str *shown; /* gets what is not secret; NULL: nobody wants it */
};

static void show_certificate(X509 *cert, struct str *shown)
{
	BIO *text = BIO_new(BIO_s_mem());
	char *data;
	long len;

	if (text == NULL || PEM_write_bio_X509(text, cert) != 1)
		mem_exhausted();
	len = BIO_get_mem_data(text, &data);
	str_append(shown, view_make(data, (size_t)len));
	BIO_free(text);
}

static void show_identity(const struct tls_identity *id, struct str *shown)
{
	str_append_cstr(shown, "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n");
	show_certificate(id->cert, shown);
	for (int i = 0; i < sk_X509_num(id->chain); i++)
		show_certificate(sk_X509_value(id->chain, i), shown);
}

static int key_take_identity(void *argument, struct tls_identity *id, const char *path,
			     struct error *err)
{
	const struct key_reading *reading = argument;
	struct tls_key *key;
	unsigned char *der = NULL;
	int len;

	if (X509_check_private_key(id->cert, id->key) != 1)
		return error_set(err, -EINVAL, "%s: the private key is not that of the certificate",
				 path);
	len = i2d_PUBKEY(id->key, &der);
	if (len <= 0)
		return tls_failed(err, "use the private key of", path);
	key = mem_new(struct tls_key);
	SHA256(der, (size_t)len, key->name);
	OPENSSL_free(der);
	key->key = TAKE(id->key);
	if (reading->shown != NULL)
		show_identity(id, reading->shown);
	reading->take(reading->argument, key);
	return 0;
}

static int key_pass_over(void *argument, struct tls_identity *id, const char *path,
			 struct error *err)
{
	(void)argument, (void)id, (void)path, (void)err;
	return 0;
}

int tls_certificates_try(const struct tls_options *options, struct error *err)
{
	return identities_read(options, false, key_pass_over, NULL, err) < 0 ? -EINVAL : 0;
}

int tls_keys_read(const struct tls_options *options, tls_key_taker *take, void *argument,
		  struct error *err)
{
	struct key_reading reading = { .take = take, .argument = argument };

	return identities_read(options, true, key_take_identity, &reading, err);
}

int tls_keys_read_sni(struct view value, tls_key_taker *take, void *argument, struct str *shown,
		      struct error *err)
{
	struct key_reading reading = { .take = take, .argument = argument, .shown = shown };
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int r;

	/* Room at once: a string that grows would leave copies of the keys. */
	str_reserve(&text, value.len + 4);
	if (base64_decode(&text, value) == 0 &&
	    view_find(str_view(&text), VIEW("-----BEGIN ")) != VIEW_NOT_FOUND) {
		r = identities_read_text(str_view(&text), "what postmap -F has stored", true,
					 key_take_identity, &reading, err);
	} else {
		_cleanup_free_ char *files = mem_strndup(value.data, value.len);
		const struct tls_options options = { .chain_files = files };

		r = identities_read(&options, true, key_take_identity, &reading, err);
	}
	str_wipe(&text);
	if (r == 0 && shown->len == 0)
		r = error_set(err, -EINVAL, "no private key in it");
	return r;
}

/* ---- signing ---- */

static bool sign_with(EVP_MD_CTX *context, const struct tls_key *key,
		      const struct tls_scheme *scheme, struct view input, struct str *signature)
{
	const unsigned char *data = (const unsigned char *)input.data;
	EVP_PKEY_CTX *details = NULL;
	size_t len = 0;

	if (EVP_DigestSignInit_ex(context, &details, scheme->digest, NULL, NULL, key->key, NULL) !=
	    1)
		return false;
	if (scheme->pss && (EVP_PKEY_CTX_set_rsa_padding(details, RSA_PKCS1_PSS_PADDING) <= 0 ||
			    EVP_PKEY_CTX_set_rsa_pss_saltlen(details, RSA_PSS_SALTLEN_DIGEST) <= 0))
		return false;
	if (EVP_DigestSign(context, NULL, &len, data, input.len) != 1 || len > TLS_SIGNATURE_MAX ||
	    EVP_DigestSign(context, (unsigned char *)str_reserve(signature, len), &len, data,
			   input.len) != 1)
		return false;
	str_grow(signature, len);
	return true;
}

int tls_key_sign(const struct tls_key *key, const struct tls_scheme *scheme, struct view input,
		 struct str *signature)
{
	EVP_MD_CTX *context;
	bool done;

	if (!EVP_PKEY_is_a(key->key, scheme->key_type))
		return -EINVAL;
	context = EVP_MD_CTX_new();
	if (context == NULL)
		mem_exhausted();
	done = sign_with(context, key, scheme, input, signature);
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return done ? 0 : -EIO;
}
