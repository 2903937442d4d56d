/*
 * Signed tokens: a JWS in compact form (RFC 7515), whose algorithm must be one of its key's, then its
 * claims. No key is fetched here.
 */
#include <errno.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "base/mem.h"
#include "oauth.h"

#define SIGNATURE_MAX 1024

enum form { FORM_RSA, FORM_PSS, FORM_EC, FORM_ED };
static const struct algorithm {
	const char *name;
	enum form form;
	int key_type;
	int key_bits; /* of an elliptic curve; 0: any */
	const EVP_MD *(*digest)(void);
} algorithms[] = {
	{ "RS256", FORM_RSA, EVP_PKEY_RSA, 0, EVP_sha256 },
	{ "RS384", FORM_RSA, EVP_PKEY_RSA, 0, EVP_sha384 },
	{ "RS512", FORM_RSA, EVP_PKEY_RSA, 0, EVP_sha512 },
	{ "PS256", FORM_PSS, EVP_PKEY_RSA, 0, EVP_sha256 },
	{ "PS384", FORM_PSS, EVP_PKEY_RSA, 0, EVP_sha384 },
	{ "PS512", FORM_PSS, EVP_PKEY_RSA, 0, EVP_sha512 },
	{ "ES256", FORM_EC, EVP_PKEY_EC, 256, EVP_sha256 },
	{ "ES384", FORM_EC, EVP_PKEY_EC, 384, EVP_sha384 },
	{ "ES512", FORM_EC, EVP_PKEY_EC, 521, EVP_sha512 },
	{ "EdDSA", FORM_ED, EVP_PKEY_ED25519, 0, NULL },
};

/* A token taken apart. */
struct jws {
	struct view signed_part; /* header "." payload, as they are */
	struct str payload, signature;
	struct str key_id;
	const struct algorithm *algorithm;
};

static void jws_free(struct jws *jws)
{
	str_free(&jws->payload);
	str_free(&jws->signature);
	str_free(&jws->key_id);
}

static bool token_split(struct view token, struct view parts[3])
{
	for (size_t i = 0; i < 3; i++) {
		size_t end = i < 2 ? view_find_byte(token, '.') : token.len;

		if (end == VIEW_NOT_FOUND || end == 0)
			return false;
		parts[i] = view_first(token, end);
		token = view_from(token, MIN(end + 1, token.len));
	}
	return view_find_byte(parts[2], '.') == VIEW_NOT_FOUND;
}

bool token_is_signed(struct view token)
{
	struct view parts[3];

	return token_split(token, parts);
}

static int jws_read_header(struct jws *jws, struct view text, struct error *err)
{
	_cleanup_(str_free) struct str bytes = STR_EMPTY;
	json_t *header;
	const char *name, *id;

	if (base64url_decode(&bytes, text) < 0)
		return error_set(err, -EINVAL, "the token's header is no base64url");
	header = oauth_json_object(str_view(&bytes), err);
	if (header == NULL)
		return -EINVAL;
	name = json_string_value(json_object_get(header, "alg"));
	for (size_t i = 0; name != NULL && i < ARRAY_SIZE(algorithms); i++)
		if (strcmp(algorithms[i].name, name) == 0)
			jws->algorithm = &algorithms[i];
	id = json_string_value(json_object_get(header, "kid"));
	if (id != NULL)
		str_set(&jws->key_id, view_of(id));
	/* RFC 7515 4.1.11: extensions that must be understood. */
	if (jws->algorithm == NULL || json_object_get(header, "crit") != NULL)
		error_set(err, 0, "the token's algorithm is not taken");
	json_decref(header);
	return err->text[0] != '\0' ? -EINVAL : 0;
}

static int jws_read(struct jws *jws, struct view token, struct error *err)
{
	struct view parts[3];

	if (!token_split(token, parts))
		return error_set(err, -EINVAL, "no signed token");
	jws->signed_part = view_first(token, parts[0].len + 1 + parts[1].len);
	if (base64url_decode(&jws->payload, parts[1]) < 0 ||
	    base64url_decode(&jws->signature, parts[2]) < 0 || jws->signature.len > SIGNATURE_MAX)
		return error_set(err, -EINVAL, "the token is no base64url");
	return jws_read_header(jws, parts[0], err);
}

/* r and s in a row (RFC 7518 3.4) as OpenSSL wants them. */
static int ecdsa_encode(const struct jws *jws, unsigned char **der)
{
	size_t half = (size_t)(jws->algorithm->key_bits + 7) / 8;
	const unsigned char *bytes = (const void *)jws->signature.data;
	ECDSA_SIG *pair;
	BIGNUM *r, *s;
	int len;

	if (jws->signature.len != 2 * half)
		return 0;
	pair = ECDSA_SIG_new();
	r = BN_bin2bn(bytes, (int)half, NULL);
	s = BN_bin2bn(bytes + half, (int)half, NULL);
	if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1)
		mem_exhausted();
	len = i2d_ECDSA_SIG(pair, der);
	ECDSA_SIG_free(pair);
	return len;
}

static bool signature_is_good(const struct jws *jws, EVP_PKEY *key)
{
	const struct algorithm *a = jws->algorithm;
	const unsigned char *signature = (const void *)jws->signature.data;
	size_t len = jws->signature.len;
	unsigned char *der = NULL;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *detail = NULL;
	bool good;

	if (context == NULL)
		mem_exhausted();
	if (a->form == FORM_EC) {
		int size = ecdsa_encode(jws, &der);

		len = size > 0 ? (size_t)size : 0;
		signature = der;
	}
	good = len > 0 &&
	       EVP_DigestVerifyInit(context, &detail, a->digest != NULL ? a->digest() : NULL, NULL,
				    key) == 1 &&
	       (a->form != FORM_PSS ||
		(EVP_PKEY_CTX_set_rsa_padding(detail, RSA_PKCS1_PSS_PADDING) == 1 &&
		 EVP_PKEY_CTX_set_rsa_pss_saltlen(detail, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
	       EVP_DigestVerify(context, signature, len, (const void *)jws->signed_part.data,
				jws->signed_part.len) == 1;
	EVP_MD_CTX_free(context);
	OPENSSL_free(der);
	ERR_clear_error();
	return good;
}

static bool key_fits(const struct token_key *key, const struct jws *jws)
{
	const struct algorithm *a = jws->algorithm;

	return EVP_PKEY_get_base_id(key->key) == a->key_type &&
	       (a->key_bits == 0 || EVP_PKEY_get_bits(key->key) == a->key_bits) &&
	       (key->algorithm.len == 0 || view_is(str_view(&key->algorithm), a->name)) &&
	       (key->id.len == 0 || jws->key_id.len == 0 ||
		view_eq(str_view(&key->id), str_view(&jws->key_id)));
}

/* 1 good, 0 bad, -ENOKEY. */
static int jws_verify(const struct jws *jws, const struct token_keys *keys)
{
	int r = -ENOKEY;

	for (size_t i = 0; i < keys->count; i++) {
		if (!key_fits(&keys->keys[i], jws))
			continue;
		if (signature_is_good(jws, keys->keys[i].key))
			return 1;
		r = 0;
	}
	return r;
}

int token_check(struct view token, const struct token_keys *keys, const struct token_rules *rules,
		int64_t now, struct str *user, struct error *err)
{
	_cleanup_(jws_free) struct jws jws = { .algorithm = NULL };
	json_t *claims;
	int r;

	if (jws_read(&jws, token, err) < 0)
		return 0;
	r = jws_verify(&jws, keys);
	if (r <= 0)
		return error_set(err, r, "%s",
				 r == 0 ? "the token's signature is wrong"
					: "the token's key is not known");
	claims = oauth_json_object(str_view(&jws.payload), err);
	if (claims == NULL)
		return 0;
	r = rules_check(rules, claims, now, user, err);
	json_decref(claims);
	return r;
}
