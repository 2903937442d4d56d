/* Tokens, key sets and a server's answers: nothing that strangers make up is ever good. */
#include <stdlib.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "oauth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The public half of a P-256 key that nobody has (RFC 7517 A.1). */
	static const char known[] = "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
				    "\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
				    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}";
	const struct token_rules rules = {
		.issuer = "", .audience = "", .scope = "", .user_claim = "email"
	};
	struct view input = view_make(data, size);
	_cleanup_(str_free) struct str user = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct token_keys *keys = mem_new(struct token_keys);
	json_t *json;

	if (token_keys_read(keys, view_of(known), &err) < 0)
		abort();
	err = ERROR_NONE;
	if (token_check(input, keys, &rules, 0, &user, &err) > 0)
		abort();
	token_keys_free(keys);
	err = ERROR_NONE;
	(void)token_keys_read(keys, input, &err);
	token_keys_free(keys);
	free(keys);
	json = oauth_json_object(input, &err);
	if (json != NULL && rules_check(&rules, json, 0, &user, &err) > 0 && user.len == 0)
		abort();
	json_decref(json);
	return 0;
}
