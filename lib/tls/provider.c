/*
 * An OpenSSL provider for private keys that another program holds. It knows public keys and how to
 * ask for a signature; verifying, encrypting and all else stays with OpenSSL's own provider.
 *
 * The signature is asked for in the middle of SSL_do_handshake(), and the task waits there while
 * others use OpenSSL in the same thread. That is right because
 *
 *	- a task has its own stack, and an SSL belongs to one task, so that nothing else comes to it;
 *	- OpenSSL holds no lock while it calls a provider's digest_sign: EVP_DigestSign() calls it
 *	  without any, and fetching (which locks) is over by then;
 *	- what it keeps for each thread are the generators of random numbers, which are whole between
 *	  two calls, and the queue of errors. Into the latter others may have put theirs meanwhile,
 *	  and SSL_get_error() would take them for this handshake's: it is emptied before we return.
 *	  Marks in it (ERR_set_mark) that are lost thereby only make ERR_pop_to_mark() empty it too.
 */
#include <errno.h>
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/mem.h"
#include "tls/internal.h"
#include "tls/sign.h"

#define PROVIDER_NAME  "posta"
#define PROVIDER_QUERY "provider=posta"
#define PARAM_SPKI     "posta-spki" /* the public key in DER, of which a key is made */

/* Who signs: one for the whole program. */
static tls_sign_function *remote_sign;

struct remote_key {
	EVP_PKEY *public; /* OpenSSL's own */
	unsigned char name[TLS_KEY_NAME_SIZE];
};

/* ---- keys ---- */

static void *remote_key_new(void *unused)
{
	(void)unused;
	return mem_new(struct remote_key);
}

static void remote_key_free(void *keydata)
{
	struct remote_key *key = keydata;

	if (key != NULL)
		EVP_PKEY_free(key->public);
	free(key);
}

static int remote_key_import(void *keydata, int selection, const OSSL_PARAM *params)
{
	const OSSL_PARAM *spki = OSSL_PARAM_locate_const(params, PARAM_SPKI);
	struct remote_key *key = keydata;
	const unsigned char *der;

	(void)selection;
	if (spki == NULL || spki->data_type != OSSL_PARAM_OCTET_STRING || key->public != NULL)
		return 0;
	der = spki->data;
	key->public = d2i_PUBKEY(NULL, &der, (long)spki->data_size);
	SHA256(spki->data, spki->data_size, key->name);
	return key->public != NULL;
}

static const OSSL_PARAM *remote_key_import_types(int selection)
{
	static const OSSL_PARAM types[] = { OSSL_PARAM_octet_string(PARAM_SPKI, NULL, 0),
					    OSSL_PARAM_END };

	(void)selection;
	return types;
}

/* It has all that a key can have, only not here. */
static int remote_key_has(const void *keydata, int selection)
{
	(void)keydata, (void)selection;
	return 1;
}

/* Nobody gets a whole key from us: so OpenSSL asks us to sign, and not its own provider. */
static int remote_key_export(void *keydata, int selection, OSSL_CALLBACK *give, void *argument)
{
	const struct remote_key *key = keydata;

	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
		return 0;
	return EVP_PKEY_export(key->public, EVP_PKEY_PUBLIC_KEY, give, argument);
}

static const OSSL_PARAM *remote_key_export_types(int selection)
{
	static const OSSL_PARAM none[] = { OSSL_PARAM_END };

	(void)selection;
	return none;
}

static int remote_key_get_params(void *keydata, OSSL_PARAM params[])
{
	const struct remote_key *key = keydata;

	return EVP_PKEY_get_params(key->public, params);
}

static const OSSL_PARAM *remote_key_gettable_params(void *unused)
{
	static const OSSL_PARAM gettable[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)unused;
	return gettable;
}

static const char *ec_operation_name(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

#define REMOTE_KEY_FUNCTIONS                                                                       \
	{ OSSL_FUNC_KEYMGMT_NEW, (void (*)(void))remote_key_new },                                 \
		{ OSSL_FUNC_KEYMGMT_FREE, (void (*)(void))remote_key_free },                       \
		{ OSSL_FUNC_KEYMGMT_HAS, (void (*)(void))remote_key_has },                         \
		{ OSSL_FUNC_KEYMGMT_IMPORT, (void (*)(void))remote_key_import },                   \
		{ OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (void (*)(void))remote_key_import_types },       \
		{ OSSL_FUNC_KEYMGMT_EXPORT, (void (*)(void))remote_key_export },                   \
		{ OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (void (*)(void))remote_key_export_types },       \
		{ OSSL_FUNC_KEYMGMT_GET_PARAMS, (void (*)(void))remote_key_get_params },           \
	{                                                                                          \
		OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (void (*)(void))remote_key_gettable_params      \
	}

static const OSSL_DISPATCH remote_key_functions[] = { REMOTE_KEY_FUNCTIONS, { 0, NULL } };
static const OSSL_DISPATCH remote_ec_key_functions[] = {
	REMOTE_KEY_FUNCTIONS,
	{ OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (void (*)(void))ec_operation_name },
	{ 0, NULL },
};

/* ---- signatures ---- */

struct remote_signature {
	const struct remote_key *key;
	const char *key_type;
	char digest[32]; /* empty: the key's own */
	bool pss;
};

static void *remote_signature_new(const char *key_type)
{
	struct remote_signature *s = mem_new(struct remote_signature);

	s->key_type = key_type;
	return s;
}

static void *rsa_signature_new(void *unused, const char *properties)
{
	(void)unused, (void)properties;
	return remote_signature_new("RSA");
}

static void *ec_signature_new(void *unused, const char *properties)
{
	(void)unused, (void)properties;
	return remote_signature_new("EC");
}

static void *ed25519_signature_new(void *unused, const char *properties)
{
	(void)unused, (void)properties;
	return remote_signature_new("ED25519");
}

static void *ed448_signature_new(void *unused, const char *properties)
{
	(void)unused, (void)properties;
	return remote_signature_new("ED448");
}

static void remote_signature_free(void *context)
{
	free(context);
}

/* Padding of RSA. The salt is as long as the digest: TLS has no other (RFC 8446 4.2.3). */
static int remote_signature_set_params(void *context, const OSSL_PARAM params[])
{
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	struct remote_signature *s = context;
	int mode = 0;

	if (p != NULL && p->data_type == OSSL_PARAM_UTF8_STRING)
		mode = strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0 ? RSA_PKCS1_PSS_PADDING
		       : strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0 ? RSA_PKCS1_PADDING
									      : -1;
	else if (p != NULL && !OSSL_PARAM_get_int(p, &mode))
		return 0;
	if (p != NULL && mode != RSA_PKCS1_PSS_PADDING && mode != RSA_PKCS1_PADDING)
		return 0;
	if (p != NULL)
		s->pss = mode == RSA_PKCS1_PSS_PADDING;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
	if (p != NULL && p->data_type == OSSL_PARAM_UTF8_STRING)
		return strcmp(p->data, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0;
	return p == NULL || (OSSL_PARAM_get_int(p, &mode) && mode == RSA_PSS_SALTLEN_DIGEST);
}

static const OSSL_PARAM *remote_signature_settable_params(void *context, void *unused)
{
	static const OSSL_PARAM settable[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)context, (void)unused;
	return settable;
}

static int remote_signature_init(void *context, const char *digest, void *keydata,
				 const OSSL_PARAM params[])
{
	struct remote_signature *s = context;

	if (keydata != NULL)
		s->key = keydata;
	s->digest[0] = '\0';
	if (digest != NULL && strlen(digest) < sizeof(s->digest))
		memcpy(s->digest, digest, strlen(digest) + 1);
	if (s->key == NULL || (params != NULL && !remote_signature_set_params(s, params)))
		return 0;
	/* What cannot be signed with is better known now, when TLS chooses. PSS is said later. */
	return tls_scheme_find(s->key_type, s->digest[0] ? s->digest : NULL, false) != NULL;
}

static int remote_signature_make(void *context, unsigned char *signature, size_t *len, size_t size,
				 const unsigned char *input, size_t input_len)
{
	const struct remote_signature *s = context;
	const struct tls_scheme *scheme =
		tls_scheme_find(s->key_type, s->digest[0] ? s->digest : NULL, s->pss);
	_cleanup_(str_free) struct str made = STR_EMPTY;
	int r;

	if (scheme == NULL || remote_sign == NULL)
		return 0;
	if (signature == NULL) {
		*len = (size_t)EVP_PKEY_get_size(s->key->public);
		return 1;
	}
	if (input_len > TLS_SIGN_INPUT_MAX)
		return 0;
	r = remote_sign(view_make((const char *)s->key->name, sizeof(s->key->name)), scheme->code,
			view_make((const char *)input, input_len), &made);
	/* Those of other tasks, which had their turn: see the head of this file. */
	ERR_clear_error();
	errno = 0;
	if (r < 0 || made.len == 0 || made.len > size)
		return 0;
	memcpy(signature, made.data, made.len);
	*len = made.len;
	return 1;
}

#define SIGNATURE_FUNCTIONS(new)                                                                   \
	{                                                                                          \
		{ OSSL_FUNC_SIGNATURE_NEWCTX, (void (*)(void))(new) },                             \
			{ OSSL_FUNC_SIGNATURE_FREECTX, (void (*)(void))remote_signature_free },    \
			{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT,                                    \
			  (void (*)(void))remote_signature_init },                                 \
			{ OSSL_FUNC_SIGNATURE_DIGEST_SIGN,                                         \
			  (void (*)(void))remote_signature_make },                                 \
			{ OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS,                                      \
			  (void (*)(void))remote_signature_set_params },                           \
			{ OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS,                                 \
			  (void (*)(void))remote_signature_settable_params },                      \
		{                                                                                  \
			0, NULL                                                                    \
		}                                                                                  \
	}

static const OSSL_DISPATCH rsa_signature[] = SIGNATURE_FUNCTIONS(rsa_signature_new);
static const OSSL_DISPATCH ec_signature[] = SIGNATURE_FUNCTIONS(ec_signature_new);
static const OSSL_DISPATCH ed25519_signature[] = SIGNATURE_FUNCTIONS(ed25519_signature_new);
static const OSSL_DISPATCH ed448_signature[] = SIGNATURE_FUNCTIONS(ed448_signature_new);

/* ---- the provider ---- */

static const OSSL_ALGORITHM *remote_query(void *unused, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM keys[] = {
		{ "RSA:rsaEncryption", PROVIDER_QUERY, remote_key_functions, NULL },
		{ "EC:id-ecPublicKey", PROVIDER_QUERY, remote_ec_key_functions, NULL },
		{ "ED25519", PROVIDER_QUERY, remote_key_functions, NULL },
		{ "ED448", PROVIDER_QUERY, remote_key_functions, NULL },
		{ NULL, NULL, NULL, NULL },
	};
	static const OSSL_ALGORITHM signatures[] = {
		{ "RSA:rsaEncryption", PROVIDER_QUERY, rsa_signature, NULL },
		{ "ECDSA", PROVIDER_QUERY, ec_signature, NULL },
		{ "ED25519", PROVIDER_QUERY, ed25519_signature, NULL },
		{ "ED448", PROVIDER_QUERY, ed448_signature, NULL },
		{ NULL, NULL, NULL, NULL },
	};

	(void)unused;
	*no_cache = 0;
	return operation == OSSL_OP_KEYMGMT	? keys
	       : operation == OSSL_OP_SIGNATURE ? signatures
						: NULL;
}

static int remote_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
		       const OSSL_DISPATCH **out, void **context)
{
	static const OSSL_DISPATCH functions[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))remote_query },
		{ 0, NULL },
	};

	(void)in;
	*out = functions;
	*context = (void *)(uintptr_t)handle;
	return 1;
}

int remote_key_open(tls_sign_function *sign, struct error *err)
{
	if (remote_sign != NULL)
		return remote_sign == sign ? 0 : error_set(err, -EINVAL, "two who sign for TLS");
	/* OpenSSL's own comes of itself only as long as no other is asked for, and it goes first. */
	if (OSSL_PROVIDER_load(NULL, "default") == NULL ||
	    !OSSL_PROVIDER_add_builtin(NULL, PROVIDER_NAME, remote_init) ||
	    OSSL_PROVIDER_load(NULL, PROVIDER_NAME) == NULL)
		return tls_failed(err, "set up", "signing by another program");
	remote_sign = sign;
	return 0;
}

EVP_PKEY *remote_key_of(X509 *cert)
{
	EVP_PKEY *public = X509_get0_pubkey(cert), *key = NULL;
	unsigned char *der = NULL;
	int len = public != NULL ? i2d_PUBKEY(public, &der) : -1;
	EVP_PKEY_CTX *context = NULL;

	if (len > 0)
		context = EVP_PKEY_CTX_new_from_name(NULL, EVP_PKEY_get0_type_name(public),
						     PROVIDER_QUERY);
	if (context != NULL && EVP_PKEY_fromdata_init(context) == 1) {
		OSSL_PARAM params[] = { OSSL_PARAM_octet_string(PARAM_SPKI, der, (size_t)len),
					OSSL_PARAM_END };

		if (EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) != 1)
			key = NULL;
	}
	EVP_PKEY_CTX_free(context);
	OPENSSL_free(der);
	return key;
}
