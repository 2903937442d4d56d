/* Hashes that cost memory or rounds: Argon2 (RFC 9106) and PBKDF2 (RFC 8018), as Dovecot writes them. */
#include "user/internal.h"

#include <argon2.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"

/* What a stored hash may ask of us, for each check. */
#define ARGON2_MEMORY_MAX  (256 * 1024) /* KiB */
#define ARGON2_PASSES_MAX  64
#define ARGON2_LANES_MAX   16
#define PBKDF2_ROUNDS_MAX  10000000
#define PBKDF2_DIGEST_SIZE 20
#define PBKDF2_PREFIX	   "$1$"

/* "m=65536" of "$argon2id$v=19$m=65536,t=3,p=1$..." */
static uint32_t argon2_cost(struct view costs, char name)
{
	struct view piece;
	uint32_t value = 0;

	while (view_next(&costs, ',', &piece))
		if (piece.len > 2 && piece.data[0] == name && piece.data[1] == '=' &&
		    view_parse_u32(view_from(piece, 2), UINT32_MAX, &value) == 0)
			return value;
	return 0;
}

static bool argon2_is_affordable(struct view hash)
{
	struct view piece;
	uint32_t memory, passes, lanes;

	while (view_next(&hash, '$', &piece)) {
		if (!view_starts(piece, VIEW("m=")))
			continue;
		memory = argon2_cost(piece, 'm');
		passes = argon2_cost(piece, 't');
		lanes = argon2_cost(piece, 'p');
		return memory > 0 && memory <= ARGON2_MEMORY_MAX && passes > 0 &&
		       passes <= ARGON2_PASSES_MAX && lanes > 0 && lanes <= ARGON2_LANES_MAX;
	}
	return false;
}

int password_check_argon2(struct view hash, struct view password, struct error *err)
{
	_cleanup_free_ char *encoded = mem_strndup(hash.data, hash.len);
	bool is_id = view_starts(hash, VIEW("$argon2id$"));
	int r;

	if (!is_id && !view_starts(hash, VIEW("$argon2i$")))
		return error_set(err, -EINVAL, "the stored password is no hash of Argon2");
	if (!argon2_is_affordable(hash))
		return error_set(err, -EINVAL,
				 "the stored hash of Argon2 asks for more than %d MiB, "
				 "%d passes or %d lanes",
				 ARGON2_MEMORY_MAX / 1024, ARGON2_PASSES_MAX, ARGON2_LANES_MAX);
	r = argon2_verify(encoded, password.data, password.len, is_id ? Argon2_id : Argon2_i);
	if (r == ARGON2_OK)
		return 1;
	if (r == ARGON2_VERIFY_MISMATCH)
		return 0;
	return error_set(err, -EINVAL, "the stored hash of Argon2: %s", argon2_error_message(r));
}

int password_check_pbkdf2(struct view hash, struct view password, struct error *err)
{
	_cleanup_(str_free) struct str digest = STR_EMPTY;
	unsigned char made[PBKDF2_DIGEST_SIZE];
	struct view rest = hash, salt = VIEW_NONE, rounds = VIEW_NONE;
	uint32_t count = 0;
	bool equal;

	if (view_starts(hash, VIEW(PBKDF2_PREFIX)))
		rest = view_from(hash, strlen(PBKDF2_PREFIX));
	if (rest.len == hash.len || !view_next(&rest, '$', &salt) ||
	    !view_next(&rest, '$', &rounds) ||
	    view_parse_u32(rounds, PBKDF2_ROUNDS_MAX, &count) < 0 || count == 0 ||
	    hex_decode(&digest, rest) < 0 || digest.len != PBKDF2_DIGEST_SIZE)
		return error_set(err, -EINVAL, "the stored password is no hash of PBKDF2");
	if (PKCS5_PBKDF2_HMAC(password.data, (int)password.len, (const unsigned char *)salt.data,
			      (int)salt.len, (int)count, EVP_sha1(), PBKDF2_DIGEST_SIZE, made) != 1)
		return error_set(err, -EINVAL, "PBKDF2 cannot be computed");
	equal = secret_equal(view_make(made, sizeof(made)), str_view(&digest));
	mem_wipe(made, sizeof(made));
	return equal;
}
