/*
 * oauth: says whether a bearer token is good and whose it is, for auth (OAUTHBEARER, XOAUTH2). It
 * reads what strangers send as tokens and what OAuth servers answer, and holds no passwords but the
 * one that it has for the server itself.
 *
 *	main.c		questions
 *	json.c		JSON with a bound on its depth; base64url
 *	keys.c		public keys: a JWK set (RFC 7517) or PEM
 *	token.c		signed tokens (RFC 7519, 9068): signature and claims
 *	rules.c		what claims must say, of tokens and of introspection alike
 *	fetch.c		HTTPS with libcurl, in worker threads
 *
 * The key decides which algorithm counts, never the token: an RSA key takes RS and PS, an elliptic one
 * its own ES, Ed25519 EdDSA. Symmetric algorithms and "none" do not exist here.
 */
#ifndef OAUTH_OAUTH_H
#define OAUTH_OAUTH_H

#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

/* ---- json.c ---- */

#define JSON_DEPTH_MAX 16
/* An object, or NULL with the reason: not JSON, nested deeper, or a name twice. */
json_t *oauth_json_object(struct view text, struct error *err);
/* base64url without padding, RFC 7515 2. 0 or -EINVAL. */
int base64url_decode(struct str *out, struct view text);

/* ---- keys.c ---- */

#define OAUTH_KEYS_MAX 64
struct token_key {
	EVP_PKEY *key;
	struct str id;	      /* "kid"; empty: it has none */
	struct str algorithm; /* "alg"; empty: whatever fits its type */
};
struct token_keys {
	struct token_key keys[OAUTH_KEYS_MAX];
	size_t count;
};
/*
 * Adds those of a JWK set, of one JWK, or of PEM public keys. Keys that are for something else or of
 * a kind that we do not take are passed over. -EINVAL: not one is left.
 */
int token_keys_read(struct token_keys *keys, struct view text, struct error *err);
void token_keys_free(struct token_keys *keys);

/* ---- rules.c ---- */

/* What a token must say. Lists as in main.cf; an empty one asks for nothing. */
struct token_rules {
	const char *issuer, *audience, *scope;
	const char *user_claim;
	bool must_expire;
};
#define OAUTH_LEEWAY 60 /* seconds that clocks may differ */
/* 1 with the user, or 0 with the reason. */
int rules_check(const struct token_rules *rules, const json_t *claims, int64_t now,
		struct str *user, struct error *err);

/* ---- token.c ---- */

/* 1 with the user; 0 with the reason; -ENOKEY: it is signed with a key that is not among these. */
int token_check(struct view token, const struct token_keys *keys, const struct token_rules *rules,
		int64_t now, struct str *user, struct error *err);
/* It looks like one: three parts. */
bool token_is_signed(struct view token);

/* ---- fetch.c ---- */

#define FETCH_MAX ((size_t)256 * 1024) /* bytes of an answer */
/* Before confinement. `ca_file`: of authorities. */
int fetch_prepare(const char *ca_file, struct error *err);
/* https, or http to this very host. 0, or -EINVAL with the reason. */
int fetch_check_url(const char *url, struct error *err);
/*
 * GET, or POST where there is a body. `credentials`: "name:password" or NULL. 0 with an answer of
 * status 200 in *answer, else a negative errno. Waits.
 */
int fetch(const char *url, const char *body, const char *credentials, struct str *answer,
	  struct error *err);

#endif
