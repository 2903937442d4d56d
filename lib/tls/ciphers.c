/*
 * Which ciphers, curves and habits of OpenSSL a context has, in Postfix's words. The words come as
 * options; what the configuration says is not read here.
 */
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tls/internal.h"

/* What separates names in these parameters. */
#define SEPARATORS " ,:\t\r\n"

/* ---- cipher list: the grade's, without what is excluded ---- */

static int ciphers_exclude(struct str *list, const char *names, struct error *err)
{
	struct view rest = view_of(names), name;

	while (view_next_word(&rest, SEPARATORS, &name)) {
		if (strchr("!+-@", name.data[0]) != NULL)
			return error_set(err, -EINVAL, "excluded TLS ciphers: %.*s is no name",
					 VIEW_ARG(name));
		str_append(list, VIEW(":!"));
		str_append(list, name);
	}
	return 0;
}

static int ciphers_choose(SSL_CTX *ctx, const struct tls_options *options, struct error *err)
{
	_cleanup_(str_free) struct str list = STR_EMPTY;
	int r = 0;

	str_append_cstr(&list, options->cipher_list != NULL ? options->cipher_list : "DEFAULT");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(options->exclude_ciphers); i++)
		if (options->exclude_ciphers[i] != NULL)
			r = ciphers_exclude(&list, options->exclude_ciphers[i], err);
	if (r == 0 && !SSL_CTX_set_cipher_list(ctx, str_cstr(&list)))
		r = tls_failed(err, "TLS cipher list", str_cstr(&list));
	return r;
}

/* ---- curves ---- */

/* Curves that this OpenSSL does not know are passed over: lists outlive libraries. */
static int curves_choose(SSL_CTX *ctx, const char *names, struct error *err)
{
	_cleanup_(str_free) struct str known = STR_EMPTY;
	struct view rest = view_of(names), name;

	while (view_next_word(&rest, SEPARATORS, &name)) {
		_cleanup_free_ char *one = mem_strndup(name.data, name.len);

		/* The last word is the list's; the context is only asked whether it is a curve. */
		if (!SSL_CTX_set1_groups_list(ctx, one)) {
			ERR_clear_error();
			continue;
		}
		if (known.len > 0)
			str_append_byte(&known, ':');
		str_append(&known, name);
	}
	if (known.len == 0)
		return error_set(err, -EINVAL, "TLS curves: none of \"%s\" is known", names);
	if (!SSL_CTX_set1_groups_list(ctx, str_cstr(&known)))
		return tls_failed(err, "TLS curves", str_cstr(&known));
	return 0;
}

/* ---- tls_ssl_options ---- */

static const struct {
	const char *name;
	uint64_t flag;
} ssl_options[] = {
	{ "ENABLE_MIDDLEBOX_COMPAT", SSL_OP_ENABLE_MIDDLEBOX_COMPAT },
	{ "LEGACY_SERVER_CONNECT", SSL_OP_LEGACY_SERVER_CONNECT },
	{ "NO_COMPRESSION", SSL_OP_NO_COMPRESSION },
	{ "NO_RENEGOTIATION", SSL_OP_NO_RENEGOTIATION },
	{ "NO_SESSION_RESUMPTION_ON_RENEGOTIATION", SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION },
	{ "NO_TICKET", SSL_OP_NO_TICKET },
	{ "PRIORITIZE_CHACHA", SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CIPHER_SERVER_PREFERENCE },
};

static bool ssl_option_find(struct view word, uint64_t *flags)
{
	_cleanup_free_ char *text = mem_strndup(word.data, word.len);
	char *end;

	for (size_t i = 0; i < ARRAY_SIZE(ssl_options); i++) {
		if (view_is_nocase(word, ssl_options[i].name)) {
			*flags |= ssl_options[i].flag;
			return true;
		}
	}
	if (!view_starts_nocase(word, VIEW("0x")) || word.len <= 2)
		return false;
	errno = 0;
	*flags |= strtoull(text, &end, 16);
	return errno == 0 && *end == '\0';
}

static int ssl_options_choose(SSL_CTX *ctx, const char *names, struct error *err)
{
	struct view rest = view_of(names), name;
	uint64_t flags = 0;

	while (view_next_word(&rest, SEPARATORS, &name))
		if (!ssl_option_find(name, &flags))
			return error_set(err, -EINVAL, "tls_ssl_options: %.*s is not known",
					 VIEW_ARG(name));
	SSL_CTX_set_options(ctx, flags);
	return 0;
}

int ciphers_apply(SSL_CTX *ctx, const struct tls_options *options, struct error *err)
{
	int r = ciphers_choose(ctx, options, err);

	if (r == 0 && options->curves != NULL)
		r = curves_choose(ctx, options->curves, err);
	if (r == 0 && options->ssl_options != NULL)
		r = ssl_options_choose(ctx, options->ssl_options, err);
	if (options->own_order)
		SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	return r;
}
