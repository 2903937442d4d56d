/*
 * Passwords as SCRAM-SHA-1 and SCRAM-SHA-256 store them (RFC 5802 3, RFC 7677), in the form that
 * Dovecot writes: "iterations,salt,StoredKey,ServerKey". They prove a password that is sent as well.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/random.h"
#include "user/internal.h"

#define KEY_MAX	       32
#define SALT_MAX       256
#define ITERATIONS_MAX 10000000

static const struct scram_kind {
	const char *scheme; /* in braces */
	const EVP_MD *(*digest)(void);
	size_t size; /* of its keys */
} scram_kinds[] = {
	[SCRAM_SHA_1] = { "{" PASSWORD_SCRAM_SHA_1 "}", EVP_sha1, 20 },
	[SCRAM_SHA_256] = { "{" PASSWORD_SCRAM "}", EVP_sha256, 32 },
};

void scram_keys_free(struct scram_keys *keys)
{
	str_free(&keys->salt);
	if (keys->stored_key.data != NULL)
		mem_wipe(keys->stored_key.data, keys->stored_key.size);
	if (keys->server_key.data != NULL)
		mem_wipe(keys->server_key.data, keys->server_key.size);
	str_free(&keys->stored_key);
	str_free(&keys->server_key);
}

static void scram_hmac(const struct scram_kind *kind, const unsigned char *key, const char *text,
		       unsigned char out[KEY_MAX])
{
	unsigned len = KEY_MAX;

	if (HMAC(kind->digest(), key, (int)kind->size, (const void *)text, strlen(text), out,
		 &len) == NULL)
		mem_exhausted();
}

/* StoredKey and ServerKey. What SASLprep (RFC 4013) does to ASCII is nothing. */
static void scram_derive(const struct scram_kind *kind, struct view password, struct view salt,
			 unsigned iterations, unsigned char stored[KEY_MAX],
			 unsigned char server[KEY_MAX])
{
	unsigned char salted[KEY_MAX], client[KEY_MAX];

	if (PKCS5_PBKDF2_HMAC(password.data, (int)password.len, (const void *)salt.data,
			      (int)salt.len, (int)iterations, kind->digest(), (int)kind->size,
			      salted) != 1)
		mem_exhausted();
	scram_hmac(kind, salted, "Client Key", client);
	if (EVP_Digest(client, kind->size, stored, NULL, kind->digest(), NULL) != 1)
		mem_exhausted();
	scram_hmac(kind, salted, "Server Key", server);
	mem_wipe(salted, sizeof(salted));
	mem_wipe(client, sizeof(client));
}

static void scram_make(const struct scram_kind *kind, struct view password, struct view salt,
		       unsigned iterations, struct scram_keys *keys)
{
	unsigned char stored[KEY_MAX], server[KEY_MAX];

	scram_derive(kind, password, salt, iterations, stored, server);
	keys->iterations = iterations;
	base64_encode(&keys->salt, salt);
	base64_encode(&keys->stored_key, view_make(stored, kind->size));
	base64_encode(&keys->server_key, view_make(server, kind->size));
	mem_wipe(stored, sizeof(stored));
	mem_wipe(server, sizeof(server));
}

static bool scram_is_ascii(struct view password)
{
	for (size_t i = 0; i < password.len; i++)
		if ((unsigned char)password.data[i] < 32 || (unsigned char)password.data[i] > 126)
			return false;
	return true;
}

static bool scram_takes(struct view *rest, char end, struct view *part)
{
	size_t at = end != '\0' ? view_find_byte(*rest, end) : rest->len;

	if (at == VIEW_NOT_FOUND)
		return false;
	*part = view_first(*rest, at);
	*rest = view_from(*rest, MIN(at + 1, rest->len));
	return true;
}

static bool scram_is_key(const struct scram_kind *kind, struct view text)
{
	_cleanup_(str_free) struct str bytes = STR_EMPTY;

	return base64_decode(&bytes, text) == 0 && bytes.len == kind->size;
}

static int scram_parse(const struct scram_kind *kind, struct view hash, struct scram_keys *keys,
		       struct error *err)
{
	_cleanup_(str_free) struct str bytes = STR_EMPTY;
	struct view number, salt, stored, server;
	uint32_t iterations;

	if (!scram_takes(&hash, ',', &number) || !scram_takes(&hash, ',', &salt) ||
	    !scram_takes(&hash, ',', &stored) || !scram_takes(&hash, '\0', &server) ||
	    view_parse_u32(number, ITERATIONS_MAX, &iterations) < 0 || iterations == 0 ||
	    base64_decode(&bytes, salt) < 0 || bytes.len == 0 || bytes.len > SALT_MAX ||
	    !scram_is_key(kind, stored) || !scram_is_key(kind, server))
		return error_set(err, -EINVAL,
				 "the stored password is not iterations,salt,StoredKey,ServerKey");
	keys->iterations = iterations;
	str_set(&keys->salt, salt);
	str_set(&keys->stored_key, stored);
	str_set(&keys->server_key, server);
	return 0;
}

int password_check_scram(enum scram_hash hash, struct view stored, struct view password,
			 struct error *err)
{
	const struct scram_kind *kind = &scram_kinds[hash];
	_cleanup_(scram_keys_free) struct scram_keys keys = { 0 }, made = { 0 };
	_cleanup_(str_free) struct str salt = STR_EMPTY;
	int r = scram_parse(kind, stored, &keys, err);

	if (r < 0)
		return r;
	base64_decode(&salt, str_view(&keys.salt));
	scram_make(kind, password, str_view(&salt), keys.iterations, &made);
	return secret_equal(str_view(&made.stored_key), str_view(&keys.stored_key)) ? 1 : 0;
}

int password_hash_scram(enum scram_hash which, struct view password, struct str *hash,
			struct error *err)
{
	const struct scram_kind *kind = &scram_kinds[which];
	_cleanup_(scram_keys_free) struct scram_keys keys = { 0 };
	unsigned char salt[SCRAM_SALT_SIZE];

	if (!scram_is_ascii(password))
		return error_set(err, -EINVAL,
				 "for SCRAM a password has only ASCII characters here");
	random_bytes(salt, sizeof(salt));
	scram_make(kind, password, view_make(salt, sizeof(salt)), SCRAM_ITERATIONS, &keys);
	str_printf(hash, "%s%u,%s,%s,%s", kind->scheme, keys.iterations, str_cstr(&keys.salt),
		   str_cstr(&keys.stored_key), str_cstr(&keys.server_key));
	return 0;
}

int password_scram_keys(const char *stored, enum scram_hash which, struct view salt,
			struct scram_keys *keys, struct error *err)
{
	static const char *const clear[] = { "{PLAIN}", "{CLEAR}", "{CLEARTEXT}" };
	const struct scram_kind *kind = &scram_kinds[which];
	struct view text = view_of(stored), scheme = view_of(kind->scheme);

	if (view_eq_nocase(view_first(text, MIN(scheme.len, text.len)), scheme))
		return scram_parse(kind, view_from(text, scheme.len), keys, err);
	for (size_t i = 0; i < ARRAY_SIZE(clear); i++) {
		size_t len = strlen(clear[i]);

		if (!view_is_nocase(view_first(text, MIN(len, text.len)), clear[i]))
			continue;
		if (text.len == len || !scram_is_ascii(view_from(text, len)))
			break;
		scram_make(kind, view_from(text, len), salt, SCRAM_ITERATIONS, keys);
		return 0;
	}
	return error_set(err, -EINVAL, "the password is not stored for %s", kind->scheme);
}
