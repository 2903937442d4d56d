/* What a server in the hands of an attacker sends to keys: a scheme, and bytes to be signed. */
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tls/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The forms once more, by what they cannot be. */
static void check_form(struct view input, enum tls_signed form)
{
	switch (form) {
	case TLS_SIGNED_NOTHING:
		return;
	case TLS_SIGNED_SERVER_VERIFY:
	case TLS_SIGNED_CLIENT_VERIFY:
		if ((input.len != 64 + 34 + 32 && input.len != 64 + 34 + 48) ||
		    view_find(input, VIEW(" TLS 1.3, ")) != 63)
			abort();
		return;
	case TLS_SIGNED_KEY_EXCHANGE:
		if (input.len < 64 + 5)
			abort();
		return;
	case TLS_SIGNED_CLIENT_MESSAGES:
		if (input.data[0] != 1 || input.len > TLS_SIGN_INPUT_MAX)
			abort();
		return;
	}
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;

	const struct tls_scheme *scheme = tls_scheme_of_code((unsigned)data[0] << 8 | data[1]);
	/* On the heap and to the byte, so that reading beyond it is seen. */
	_cleanup_free_ char *copy = mem_new_bytes(size - 1);
	struct view input = view_make(copy, size - 2);

	memcpy(copy, data + 2, size - 2);
	if (scheme != NULL &&
	    tls_scheme_find(scheme->key_type, scheme->digest, scheme->pss) != scheme)
		abort();
	check_form(input, tls_signed_form(input));
	return 0;
}
