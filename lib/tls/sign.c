/* What a TLS handshake lets be signed, and how. Only forms: no key is seen here. */
#include "tls/sign.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/mem.h"

/* ---- schemes ---- */

static const struct tls_scheme tls_schemes[] = {
	{ 0x0401, "RSA", "SHA256", false }, { 0x0501, "RSA", "SHA384", false },
	{ 0x0601, "RSA", "SHA512", false }, { 0x0804, "RSA", "SHA256", true },
	{ 0x0805, "RSA", "SHA384", true },  { 0x0806, "RSA", "SHA512", true },
	{ 0x0403, "EC", "SHA256", false },  { 0x0503, "EC", "SHA384", false },
	{ 0x0603, "EC", "SHA512", false },  { 0x0807, "ED25519", NULL, false },
	{ 0x0808, "ED448", NULL, false },
};

const struct tls_scheme *tls_scheme_of_code(unsigned code)
{
	for (size_t i = 0; i < ARRAY_SIZE(tls_schemes); i++)
		if (tls_schemes[i].code == code)
			return &tls_schemes[i];
	return NULL;
}

static bool digest_is(const char *name, const char *wanted)
{
	const EVP_MD *digest;

	if (name == NULL || wanted == NULL)
		return name == wanted;
	digest = EVP_get_digestbyname(name);
	return digest != NULL && digest == EVP_get_digestbyname(wanted);
}

const struct tls_scheme *tls_scheme_find(const char *key_type, const char *digest, bool pss)
{
	for (size_t i = 0; i < ARRAY_SIZE(tls_schemes); i++)
		if (strcmp(tls_schemes[i].key_type, key_type) == 0 && tls_schemes[i].pss == pss &&
		    digest_is(digest, tls_schemes[i].digest))
			return &tls_schemes[i];
	return NULL;
}

/* ---- forms ---- */

#define RANDOM_SIZE	    32 /* of each side */
#define NAMED_CURVE	    3
#define CLIENT_HELLO	    1
#define CLIENT_KEY_EXCHANGE 16

static bool take_bytes(struct view *rest, size_t size, struct view *bytes)
{
	if (rest->len < size)
		return false;
	*bytes = view_first(*rest, size);
	*rest = view_from(*rest, size);
	return true;
}

/* A length of `size` bytes, and as many bytes. */
static bool take_counted(struct view *rest, size_t size, struct view *bytes)
{
	struct view number;
	size_t len = 0;

	if (!take_bytes(rest, size, &number))
		return false;
	for (size_t i = 0; i < size; i++)
		len = len << 8 | (unsigned char)number.data[i];
	return take_bytes(rest, len, bytes);
}

/* 64 blanks, who speaks, NUL, and a hash. */
static enum tls_signed form_of_verify(struct view input)
{
	static const struct {
		struct view context;
		enum tls_signed form;
	} sides[] = {
		{ VIEW("TLS 1.3, server CertificateVerify"), TLS_SIGNED_SERVER_VERIFY },
		{ VIEW("TLS 1.3, client CertificateVerify"), TLS_SIGNED_CLIENT_VERIFY },
	};
	struct view blanks, context, nul;

	if (!take_bytes(&input, 64, &blanks))
		return TLS_SIGNED_NOTHING;
	for (size_t i = 0; i < blanks.len; i++)
		if (blanks.data[i] != ' ')
			return TLS_SIGNED_NOTHING;
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		struct view rest = input;

		if (take_bytes(&rest, sides[i].context.len, &context) &&
		    view_eq(context, sides[i].context) && take_bytes(&rest, 1, &nul) &&
		    nul.data[0] == '\0' && (rest.len == 32 || rest.len == 48))
			return sides[i].form;
	}
	return TLS_SIGNED_NOTHING;
}

/* client_random, server_random, and ServerECDHParams or ServerDHParams, to the byte. */
static bool is_key_exchange(struct view input)
{
	struct view randoms, curve, value, dh, part;

	if (!take_bytes(&input, 2 * RANDOM_SIZE, &randoms))
		return false;
	dh = input;
	if (take_bytes(&input, 3, &curve) && curve.data[0] == NAMED_CURVE &&
	    take_counted(&input, 1, &value) && value.len > 0 && input.len == 0)
		return true;
	for (int i = 0; i < 3; i++) /* p, g, Ys */
		if (!take_counted(&dh, 2, &part) || part.len == 0)
			return false;
	return dh.len == 0;
}

/* Whole handshake messages, from ClientHello to ClientKeyExchange. */
static bool is_client_messages(struct view input)
{
	struct view type, body;
	unsigned char last = 0;
	bool first = true;

	while (take_bytes(&input, 1, &type)) {
		last = (unsigned char)type.data[0];
		if (!take_counted(&input, 3, &body) || (first && last != CLIENT_HELLO))
			return false;
		first = false;
	}
	return last == CLIENT_KEY_EXCHANGE;
}

enum tls_signed tls_signed_form(struct view input)
{
	enum tls_signed form = form_of_verify(input);

	if (form != TLS_SIGNED_NOTHING || input.len > TLS_SIGN_INPUT_MAX)
		return input.len > TLS_SIGN_INPUT_MAX ? TLS_SIGNED_NOTHING : form;
	if (is_key_exchange(input))
		return TLS_SIGNED_KEY_EXCHANGE;
	return is_client_messages(input) ? TLS_SIGNED_CLIENT_MESSAGES : TLS_SIGNED_NOTHING;
}
