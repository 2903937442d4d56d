/* Public keys as the DNS has them (RFC 6376 section 3.6.1, RFC 8463). */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/encode.h"
#include "base/mem.h"
#include "mailauth/signature.h"

#define ED25519_KEY_SIZE 32

static bool key_list_has(const struct tag_list *tags, const char *name, const char *word)
{
	const struct tag *tag = tag_list_find(tags, name);
	struct view rest = tag != NULL ? tag->value : VIEW_NONE, element;

	while (tag_next_element(&rest, ':', &element))
		if (view_is_nocase(element, word))
			return true;
	return false;
}

/* SubjectPublicKeyInfo, or (erratum 3017) RSAPublicKey; nothing may follow. */
static EVP_PKEY *read_rsa(struct view bytes)
{
	const unsigned char *end = (const unsigned char *)bytes.data + bytes.len;
	const unsigned char *at = (const unsigned char *)bytes.data;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)bytes.len);

	if (key == NULL) {
		at = (const unsigned char *)bytes.data;
		key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)bytes.len);
	}
	if (key != NULL && (at != end || EVP_PKEY_base_id(key) != EVP_PKEY_RSA)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

static enum proof key_record_read(struct view bytes, struct key_record *record, const char **reason)
{
	if (record->algorithm == ALGORITHM_ED25519_SHA256) {
		if (bytes.len == ED25519_KEY_SIZE)
			record->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
								  (const unsigned char *)bytes.data,
								  bytes.len);
	} else {
		record->key = read_rsa(bytes);
	}
	if (record->key == NULL) {
		*reason = "the key's p= is no such key";
		return PROOF_PERMERROR;
	}
	if (record->algorithm == ALGORITHM_ED25519_SHA256)
		return PROOF_PASS;
	record->bits = (unsigned)EVP_PKEY_bits(record->key);
	if (record->bits >= KEY_BITS_MIN && record->bits <= KEY_BITS_MAX)
		return PROOF_PASS;
	*reason = record->bits < KEY_BITS_MIN ? "the RSA key has less than 1024 bits"
					      : "the RSA key has more than 4096 bits";
	return PROOF_POLICY;
}

/* All but p=. */
static enum proof read_key_tags(const struct tag_list *tags, struct key_record *record,
				const char **reason)
{
	const struct tag *version = tag_list_find(tags, "v"), *kind = tag_list_find(tags, "k");

	if (version != NULL && (version != &tags->tags[0] || !view_is(version->value, "DKIM1")))
		*reason = "the key's record is not of DKIM1";
	else if (kind != NULL && !view_is_nocase(kind->value, "rsa") &&
		 !view_is_nocase(kind->value, "ed25519"))
		*reason = "the key is of an unknown kind";
	else if (tag_list_find(tags, "h") != NULL && !key_list_has(tags, "h", "sha256"))
		*reason = "the key is not for sha256";
	else if (tag_list_find(tags, "s") != NULL && !key_list_has(tags, "s", "*") &&
		 !key_list_has(tags, "s", "email"))
		*reason = "the key is not for mail";
	else if (tag_list_find(tags, "p") == NULL)
		*reason = "the key's record has no p=";
	else
		*reason = NULL;
	if (*reason != NULL)
		return PROOF_PERMERROR;
	record->algorithm = kind != NULL && view_is_nocase(kind->value, "ed25519")
				    ? ALGORITHM_ED25519_SHA256
				    : ALGORITHM_RSA_SHA256;
	record->testing = key_list_has(tags, "t", "y");
	record->strict = key_list_has(tags, "t", "s");
	return PROOF_PASS;
}

enum proof key_record_parse(struct view text, struct key_record *record, const char **reason)
{
	_cleanup_(str_free) struct str squeezed = STR_EMPTY, bytes = STR_EMPTY;
	struct tag_list tags;
	enum proof result;

	*record = (struct key_record){ 0 };
	if (tag_list_parse(text, TAGS_RECORD, &tags, reason) < 0) {
		*reason = "the key's record is no list of tags";
		return PROOF_PERMERROR;
	}
	result = read_key_tags(&tags, record, reason);
	if (result != PROOF_PASS)
		return result;
	tag_squeeze(&squeezed, tag_list_get(&tags, "p"));
	if (squeezed.len == 0) {
		*reason = "the key is revoked";
		return PROOF_PERMERROR;
	}
	if (base64_decode(&bytes, str_view(&squeezed)) < 0) {
		*reason = "the key's p= is not base64";
		return PROOF_PERMERROR;
	}
	return key_record_read(str_view(&bytes), record, reason);
}

void key_record_free(struct key_record *record)
{
	EVP_PKEY_free(record->key);
	record->key = NULL;
}

static bool verify_rsa(EVP_PKEY *key, const unsigned char *digest, struct view signature)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
	bool good = context != NULL && EVP_PKEY_verify_init(context) == 1 &&
		    EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
		    EVP_PKEY_verify(context, (const unsigned char *)signature.data, signature.len,
				    digest, CANON_DIGEST_SIZE) == 1;

	EVP_PKEY_CTX_free(context);
	return good;
}

static bool verify_ed25519(EVP_PKEY *key, const unsigned char *digest, struct view signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.len,
				     digest, CANON_DIGEST_SIZE) == 1;

	EVP_MD_CTX_free(context);
	return good;
}

bool key_record_verify(const struct key_record *record,
		       const unsigned char digest[CANON_DIGEST_SIZE], struct view signature)
{
	return record->algorithm == ALGORITHM_ED25519_SHA256
		       ? verify_ed25519(record->key, digest, signature)
		       : verify_rsa(record->key, digest, signature);
}
