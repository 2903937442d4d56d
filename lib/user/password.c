/* Passwords: {SCHEME}hash. */
#include "user/internal.h"

#include <crypt.h>
#include <errno.h>

#include "base/encode.h"
#include "base/mem.h"
#include "conf/conf.h"

enum kind {
	KIND_CRYPT,
	KIND_PLAIN,
	KIND_DIGEST,
	KIND_SCRAM,
	KIND_SCRAM_SHA_1,
	KIND_ARGON2,
	KIND_PBKDF2,
	KIND_OLD_CRYPT, /* as KIND_CRYPT and KIND_DIGEST, where auth_weak_schemes says so */
	KIND_OLD_DIGEST,
	KIND_WEAK
};

static const struct scheme {
	const char *name;
	enum kind kind;
	const char *digest;
	bool salted;
} schemes[] = {
	{ "CRYPT", KIND_CRYPT, NULL, false },
	{ "YESCRYPT", KIND_CRYPT, NULL, false },
	{ "SHA512-CRYPT", KIND_CRYPT, NULL, false },
	{ "SHA256-CRYPT", KIND_CRYPT, NULL, false },
	{ "BLF-CRYPT", KIND_CRYPT, NULL, false },
	{ "ARGON2I", KIND_ARGON2, NULL, false },
	{ "ARGON2ID", KIND_ARGON2, NULL, false },
	{ "PBKDF2", KIND_PBKDF2, NULL, false },
	{ "PLAIN", KIND_PLAIN, NULL, false },
	{ "CLEAR", KIND_PLAIN, NULL, false },
	{ "CLEARTEXT", KIND_PLAIN, NULL, false },
	{ "SSHA", KIND_DIGEST, "SHA1", true },
	{ "SSHA256", KIND_DIGEST, "SHA256", true },
	{ "SSHA512", KIND_DIGEST, "SHA512", true },
	{ "SHA256", KIND_DIGEST, "SHA256", false },
	{ "SHA512", KIND_DIGEST, "SHA512", false },
	{ "SCRAM-SHA-256", KIND_SCRAM, NULL, false },
	{ "SCRAM-SHA-1", KIND_SCRAM_SHA_1, NULL, false },
	{ "DES-CRYPT", KIND_OLD_CRYPT, NULL, false },
	{ "MD5", KIND_OLD_CRYPT, NULL, false },
	{ "MD5-CRYPT", KIND_OLD_CRYPT, NULL, false },
	{ "PLAIN-MD5", KIND_OLD_DIGEST, "MD5", false },
	{ "LDAP-MD5", KIND_OLD_DIGEST, "MD5", false },
	{ "SMD5", KIND_OLD_DIGEST, "MD5", true },
	{ "SHA", KIND_OLD_DIGEST, "SHA1", false },
	{ "SHA1", KIND_OLD_DIGEST, "SHA1", false },
	{ "CRAM-MD5", KIND_WEAK, NULL, false },
	{ "DIGEST-MD5", KIND_WEAK, NULL, false },
	{ "HMAC-MD5", KIND_WEAK, NULL, false },
	{ "NTLM", KIND_WEAK, NULL, false },
	{ "LANMAN", KIND_WEAK, NULL, false },
};

/* How crypt(3) begins a hash that takes real work to guess. */
static const char *const strong_prefixes[] = { "$y$", "$gy$", "$7$",  "$6$",
					       "$5$", "$2b$", "$2y$", "$2a$" };

static bool is_locked(struct view hash)
{
	return hash.len == 0 || hash.data[0] == '*' || hash.data[0] == '!';
}

static int scheme_split(const char *stored, const struct scheme **scheme, struct view *hash,
			struct error *err)
{
	struct view whole = view_of(stored), name;
	size_t end;

	*scheme = &schemes[0];
	*hash = whole;
	if (whole.len == 0 || whole.data[0] != '{')
		return 0;
	end = view_find_byte(whole, '}');
	if (end == VIEW_NOT_FOUND)
		return error_set(err, -EINVAL, "the stored password has a scheme without \"}\"");
	name = view_first(view_from(whole, 1), end - 1);
	*hash = view_from(whole, end + 1);
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (view_is_nocase(name, schemes[i].name)) {
			*scheme = &schemes[i];
			return 0;
		}
	}
	return error_set(err, -EINVAL, "the password scheme {%.*s} is not known", VIEW_ARG(name));
}

static int check_crypt_hash(struct view hash, struct error *err)
{
	if (param.auth_weak_schemes)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(strong_prefixes); i++)
		if (view_starts(hash, view_of(strong_prefixes[i])))
			return 0;
	if (view_starts(hash, VIEW("$1$")))
		return error_set(err, -EINVAL,
				 "the stored password is an MD5 hash ($1$), which is too quick to "
				 "guess: set the password anew");
	if (view_starts(hash, VIEW("$")))
		return error_set(err, -EINVAL, "the stored password begins with an unknown $..$");
	return error_set(err, -EINVAL,
			 "the stored password is a DES hash or no hash at all: set the password "
			 "anew (a password in clear needs {PLAIN})");
}

int password_check_scheme(const char *stored, struct error *err)
{
	const struct scheme *scheme;
	struct view hash;
	int r = scheme_split(stored, &scheme, &hash, err);

	if (r < 0)
		return r;
	if (scheme->kind == KIND_WEAK ||
	    (!param.auth_weak_schemes &&
	     (scheme->kind == KIND_OLD_CRYPT || scheme->kind == KIND_OLD_DIGEST)))
		return error_set(err, -EINVAL,
				 "the password scheme {%s} is too quick to guess: set the password "
				 "anew",
				 scheme->name);
	if (scheme->kind == KIND_CRYPT && !is_locked(hash))
		return check_crypt_hash(hash, err);
	return 0;
}

/* struct crypt_data has 32 kB: too much for a task's stack, so it is on the heap. */
static int check_crypt(struct view password, const char *hash, struct error *err)
{
	_cleanup_free_ char *phrase = mem_strndup(password.data, password.len);
	struct crypt_data *data = mem_new(struct crypt_data);
	const char *result = crypt_r(phrase, hash, data);
	int r;

	/* On failure crypt_r gives NULL or a text that begins with '*', which is no hash. */
	if (result == NULL || result[0] == '*')
		r = error_set(err, -EINVAL, "crypt(3) does not understand the stored password");
	else
		r = secret_equal(view_of(result), view_of(hash)) ? 1 : 0;
	mem_wipe(phrase, password.len);
	mem_wipe(data, sizeof(*data));
	free(data);
	return r;
}

int password_check(struct view password, const char *stored, struct error *err)
{
	const struct scheme *scheme;
	struct view hash;
	int r = password_check_scheme(stored, err);

	if (r < 0)
		return r;
	scheme_split(stored, &scheme, &hash, err);
	if (is_locked(hash) && scheme->kind != KIND_PLAIN)
		return 0;
	if (password.len == 0 || password.len > PASSWORD_MAX ||
	    view_find_byte(password, '\0') != VIEW_NOT_FOUND)
		return 0;
	switch (scheme->kind) {
	case KIND_PLAIN:
		return secret_equal(password, hash) ? 1 : 0;
	case KIND_ARGON2:
		return password_check_argon2(hash, password, err);
	case KIND_PBKDF2:
		return password_check_pbkdf2(hash, password, err);
	case KIND_DIGEST:
	case KIND_OLD_DIGEST:
		return password_check_digest(scheme->digest, scheme->salted, hash, password, err);
	case KIND_SCRAM:
		return password_check_scram(SCRAM_SHA_256, hash, password, err);
	case KIND_SCRAM_SHA_1:
		return password_check_scram(SCRAM_SHA_1, hash, password, err);
	default:
		return check_crypt(password, hash.data, err);
	}
}

static const struct {
	const char *scheme, *prefix;
	unsigned long cost;
} makers[] = {
	{ "CRYPT", "$y$", 0 },
	{ "YESCRYPT", "$y$", 0 },
	{ "SHA512-CRYPT", "$6$", 100000 },
	{ "SHA256-CRYPT", "$5$", 100000 },
	{ "BLF-CRYPT", "$2b$", 10 },
};

static int password_make_hash(const char *phrase, const char *prefix, unsigned long cost,
			      const char *scheme, struct str *hash, struct error *err)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data;
	const char *result;
	int r = 0;

	if (crypt_gensalt_rn(prefix, cost, NULL, 0, setting, (int)sizeof(setting)) == NULL)
		return error_errno(err, "make a salt for %s", prefix);
	data = mem_new(struct crypt_data);
	result = crypt_r(phrase, setting, data);
	if (result == NULL || result[0] == '*')
		r = error_set(err, -EINVAL, "crypt(3) cannot hash with %s", prefix);
	else
		str_printf(hash, "{%s}%s", scheme, result);
	mem_wipe(data, sizeof(*data));
	free(data);
	return r;
}

int password_hash(struct view password, const char *scheme, struct str *hash, struct error *err)
{
	if (scheme == NULL)
		scheme = makers[0].scheme;
	if (password.len == 0)
		return error_set(err, -EINVAL, "the password is empty");
	if (password.len >= PASSWORD_MAX)
		return error_set(err, -EINVAL, "the password is longer than %d bytes",
				 PASSWORD_MAX - 1);
	if (view_find_byte(password, '\0') != VIEW_NOT_FOUND)
		return error_set(err, -EINVAL, "the password has a NUL byte");
	if (view_is_nocase(VIEW(PASSWORD_SCRAM), scheme))
		return password_hash_scram(SCRAM_SHA_256, password, hash, err);
	if (view_is_nocase(VIEW(PASSWORD_SCRAM_SHA_1), scheme))
		return password_hash_scram(SCRAM_SHA_1, password, hash, err);
	for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
		if (!view_is_nocase(view_of(makers[i].scheme), scheme))
			continue;

		char *phrase = mem_strndup(password.data, password.len);
		int r = password_make_hash(phrase, makers[i].prefix, makers[i].cost,
					   makers[i].scheme, hash, err);

		mem_wipe(phrase, password.len);
		free(phrase);
		return r;
	}
	return error_set(err, -EINVAL,
			 "passwords are not made with the scheme %s; there are CRYPT (yescrypt), "
			 "SHA512-CRYPT, SHA256-CRYPT, BLF-CRYPT, SCRAM-SHA-256, SCRAM-SHA-1",
			 scheme);
}
