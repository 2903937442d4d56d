/* App passwords as they are stored, made and typed. Asks no table. */
#include "user/app_password.h"

#include <errno.h>
#include <openssl/sha.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/random.h"

#define APP_PASSWORD_SCHEME "{SSHA256}"
#define SALT_SIZE	    16
#define GROUP_SIZE	    5
#define SERVICES_MAX	    200

/* Without l, o, 0 and 1, which look like others: 32 of them, five bits each. */
static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";

bool app_password_name_is_valid(struct view name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.data[i]) && strchr("-_.", name.data[i]) == NULL)
			return false;
	return name.len > 0 && name.len <= APP_PASSWORD_NAME_MAX;
}

bool app_password_next(struct view *rest, struct app_password *one, bool *malformed)
{
	struct view entry, made;
	uint64_t seconds;

	*malformed = false;
	if (!view_next_word(rest, " \t", &entry))
		return false;
	if (!view_next(&entry, ':', &one->name) || !view_next(&entry, ':', &one->services) ||
	    !view_next(&entry, ':', &made) || view_parse_u64(made, INT64_MAX, &seconds) < 0 ||
	    !app_password_name_is_valid(one->name) || one->services.len > SERVICES_MAX ||
	    entry.len == 0) {
		*malformed = true;
		return false;
	}
	one->made = (int64_t)seconds;
	one->hash = entry;
	return true;
}

void app_password_append(struct str *entries, const struct app_password *one)
{
	str_printf(entries, "%s%.*s:%.*s:%lld:%.*s", entries->len > 0 ? " " : "",
		   VIEW_ARG(one->name), VIEW_ARG(one->services), (long long)one->made,
		   VIEW_ARG(one->hash));
}

bool app_password_opens(const struct app_password *one, struct view service)
{
	struct view rest = one->services, word;

	if (rest.len == 0)
		return true;
	while (view_next(&rest, ',', &word))
		if (view_eq_nocase(word, service))
			return true;
	return false;
}

/* The digest over password and salt, and the salt, in base64. */
static void app_password_hash(struct view password, struct str *hash)
{
	_cleanup_(str_wipe) struct str both = STR_EMPTY;
	unsigned char stored[SHA256_DIGEST_LENGTH + SALT_SIZE];

	random_bytes(stored + SHA256_DIGEST_LENGTH, SALT_SIZE);
	str_reserve(&both, password.len + SALT_SIZE);
	str_append(&both, password);
	str_append(&both, view_make(stored + SHA256_DIGEST_LENGTH, SALT_SIZE));
	SHA256((const unsigned char *)both.data, both.len, stored);
	str_append_cstr(hash, APP_PASSWORD_SCHEME);
	base64_encode(hash, view_make(stored, sizeof(stored)));
}

void app_password_make(struct str *password, struct str *hash)
{
	_cleanup_(str_wipe) struct str plain = STR_EMPTY;
	unsigned char bytes[APP_PASSWORD_CHARACTERS];

	_Static_assert(sizeof(alphabet) == 33, "five bits for each character");
	random_bytes(bytes, sizeof(bytes));
	str_reserve(&plain, APP_PASSWORD_CHARACTERS);
	str_reserve(password, APP_PASSWORD_CHARACTERS * 2);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		if (i > 0 && i % GROUP_SIZE == 0)
			str_append_byte(password, '-');
		str_append_byte(password, alphabet[bytes[i] % 32]);
		str_append_byte(&plain, alphabet[bytes[i] % 32]);
	}
	mem_wipe(bytes, sizeof(bytes));
	app_password_hash(str_view(&plain), hash);
}

bool app_password_read(struct view typed, struct str *password)
{
	str_reserve(password, APP_PASSWORD_CHARACTERS);
	for (size_t i = 0; i < typed.len; i++) {
		char c = ascii_lower(typed.data[i]);

		if (c == '-' || c == ' ')
			continue;
		if (c == '\0' || strchr(alphabet, c) == NULL ||
		    password->len == APP_PASSWORD_CHARACTERS)
			return false;
		str_append_byte(password, c);
	}
	return password->len == APP_PASSWORD_CHARACTERS;
}
