/* Public keys of OAuth servers: JWK sets and PEM. It never reads a private key. */
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "base/mem.h"
#include "oauth.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define MEMBER_MAX   2048 /* bytes of a decoded member */
#define POINT_MAX    (1 + 2 * 66)

void token_keys_free(struct token_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++) {
		EVP_PKEY_free(keys->keys[i].key);
		str_free(&keys->keys[i].id);
		str_free(&keys->keys[i].algorithm);
	}
	*keys = (struct token_keys){ .count = 0 };
}

static struct view json_text(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value)
		       ? view_make(json_string_value(value), json_string_length(value))
		       : VIEW_NONE;
}

static bool member_decode(const json_t *jwk, const char *name, struct str *bytes)
{
	struct view text = json_text(jwk, name);

	return text.len > 0 && text.len <= MEMBER_MAX * 4 / 3 &&
	       base64url_decode(bytes, text) == 0 && bytes->len > 0;
}

static EVP_PKEY *key_build(const char *type, OSSL_PARAM_BLD *build)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (params == NULL || context == NULL)
		mem_exhausted();
	if (EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(params);
	return key;
}

static EVP_PKEY *key_of_rsa(const json_t *jwk)
{
	_cleanup_(str_free) struct str n = STR_EMPTY, e = STR_EMPTY;
	OSSL_PARAM_BLD *build;
	BIGNUM *modulus, *exponent;
	EVP_PKEY *key;

	if (!member_decode(jwk, "n", &n) || !member_decode(jwk, "e", &e) || e.len > 8)
		return NULL;
	build = OSSL_PARAM_BLD_new();
	modulus = BN_bin2bn((const void *)n.data, (int)n.len, NULL);
	exponent = BN_bin2bn((const void *)e.data, (int)e.len, NULL);
	if (build == NULL || modulus == NULL || exponent == NULL ||
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) != 1 ||
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) != 1)
		mem_exhausted();
	key = key_build("RSA", build);
	OSSL_PARAM_BLD_free(build);
	BN_free(modulus);
	BN_free(exponent);
	return key;
}

static EVP_PKEY *key_of_curve(const json_t *jwk)
{
	static const struct {
		const char *name, *group;
		size_t size;
	} curves[] = { { "P-256", "prime256v1", 32 },
		       { "P-384", "secp384r1", 48 },
		       { "P-521", "secp521r1", 66 } };
	_cleanup_(str_free) struct str x = STR_EMPTY, y = STR_EMPTY;
	unsigned char point[POINT_MAX] = { 4 };
	OSSL_PARAM_BLD *build;
	EVP_PKEY *key = NULL;

	if (!member_decode(jwk, "x", &x) || !member_decode(jwk, "y", &y))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(curves); i++) {
		size_t size = curves[i].size;

		if (!view_is(json_text(jwk, "crv"), curves[i].name) || x.len != size ||
		    y.len != size)
			continue;
		memcpy(point + 1, x.data, size);
		memcpy(point + 1 + size, y.data, size);
		build = OSSL_PARAM_BLD_new();
		if (build == NULL ||
		    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
						    curves[i].group, 0) != 1 ||
		    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point,
						     1 + 2 * size) != 1)
			mem_exhausted();
		key = key_build("EC", build); /* refuses a point that is not on the curve */
		OSSL_PARAM_BLD_free(build);
	}
	return key;
}

static EVP_PKEY *key_of_edwards(const json_t *jwk)
{
	_cleanup_(str_free) struct str x = STR_EMPTY;

	if (!view_is(json_text(jwk, "crv"), "Ed25519") || !member_decode(jwk, "x", &x) ||
	    x.len != 32)
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const void *)x.data, x.len);
}

/* RSA of a size that proves something and does not take for ever. */
static bool key_is_sound(const EVP_PKEY *key)
{
	int bits = EVP_PKEY_get_bits(key);

	return EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
	       (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX);
}

static void keys_add(struct token_keys *keys, EVP_PKEY *key, struct view id, struct view algorithm)
{
	struct token_key *added;

	ERR_clear_error();
	if (key == NULL || !key_is_sound(key) || keys->count == OAUTH_KEYS_MAX) {
		EVP_PKEY_free(key);
		return;
	}
	added = &keys->keys[keys->count++];
	*added = (struct token_key){ .key = key };
	str_append(&added->id, id);
	str_append(&added->algorithm, algorithm);
}

static void keys_add_jwk(struct token_keys *keys, const json_t *jwk)
{
	struct view type = json_text(jwk, "kty"), use = json_text(jwk, "use");
	EVP_PKEY *key = NULL;

	if (use.len > 0 && !view_is(use, "sig"))
		return;
	if (view_is(type, "RSA"))
		key = key_of_rsa(jwk);
	else if (view_is(type, "EC"))
		key = key_of_curve(jwk);
	else if (view_is(type, "OKP"))
		key = key_of_edwards(jwk);
	keys_add(keys, key, json_text(jwk, "kid"), json_text(jwk, "alg"));
}

static int keys_read_json(struct token_keys *keys, struct view text, struct error *err)
{
	json_t *json = oauth_json_object(text, err);
	const json_t *list = json_object_get(json, "keys");

	if (json == NULL)
		return -EINVAL;
	if (list == NULL)
		keys_add_jwk(keys, json);
	for (size_t i = 0; i < json_array_size(list); i++)
		keys_add_jwk(keys, json_array_get(list, i));
	json_decref(json);
	return 0;
}

static void keys_read_pem(struct token_keys *keys, struct view text)
{
	BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
	EVP_PKEY *key;

	if (bio == NULL)
		mem_exhausted();
	while ((key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL)) != NULL)
		keys_add(keys, key, VIEW_NONE, VIEW_NONE);
	ERR_clear_error();
	BIO_free(bio);
}

int token_keys_read(struct token_keys *keys, struct view text, struct error *err)
{
	int r = 0;

	text = view_trim(text);
	if (view_starts(text, VIEW("{")))
		r = keys_read_json(keys, text, err);
	else
		keys_read_pem(keys, text);
	if (r == 0 && keys->count == 0)
		r = error_set(err, -EINVAL, "no public key of RSA, P-256, P-384, P-521 or Ed25519");
	return r;
}
