/*
 * Private keys that another program holds. A server has the certificate; what a handshake asks of
 * its private key, one signature, is asked of somebody else by a function that may wait:
 *
 *	struct tls_options options = { ..., .sign = keys_sign };
 *
 * Here is what both sides must agree on: how a key is named, which signatures there are, and what
 * a handshake lets be signed.
 */
#ifndef TLS_SIGN_H
#define TLS_SIGN_H

#include <stdbool.h>

#include "base/str.h"

/* A key's name: SHA-256 of its public half (SubjectPublicKeyInfo, as in TLSA 3 1 1). */
#define TLS_KEY_NAME_SIZE 32

/*
 * What is signed at most: the client's proof in TLS 1.2 is over all messages until then, the
 * server's certificates among them. And the longest signature: RSA with 8192 bits.
 */
#define TLS_SIGN_INPUT_MAX 32768
#define TLS_SIGNATURE_MAX  1024

/* A SignatureScheme of TLS (RFC 8446 section 4.2.3). */
struct tls_scheme {
	unsigned code;
	const char *key_type; /* "RSA", "EC", "ED25519", "ED448" */
	const char *digest;   /* "SHA256"; NULL: the key's own */
	bool pss;
};
/* NULL: none that is signed with here. */
const struct tls_scheme *tls_scheme_of_code(unsigned code);
/* `digest`: any name that OpenSSL has for it, or NULL. */
const struct tls_scheme *tls_scheme_find(const char *key_type, const char *digest, bool pss);

/*
 * Signs `input` (not its digest). 0 with *signature, or a negative errno, logged. May wait as a
 * task: see provider.c for why that is right in the middle of a handshake.
 */
typedef int tls_sign_function(struct view key, unsigned scheme, struct view input,
			      struct str *signature);

/*
 * What a server shows to clients that ask for this name (SNI), by the tables of `maps`
 * (tls_server_sni_maps). 1 with *chain: as a chain file whose private keys are left blank; 0: there is
 * nothing of its own for it; or a negative errno, logged. May wait like the one above.
 */
typedef int tls_chain_function(const char *maps, struct view name, struct str *chain);

/* What of a handshake the bytes are that are to be signed. */
enum tls_signed {
	TLS_SIGNED_NOTHING,	    /* no handshake has such bytes */
	TLS_SIGNED_SERVER_VERIFY,   /* TLS 1.3 CertificateVerify (RFC 8446 section 4.4.3) */
	TLS_SIGNED_CLIENT_VERIFY,   /* the same of a client */
	TLS_SIGNED_KEY_EXCHANGE,    /* TLS 1.2 ServerKeyExchange (RFC 5246 7.4.3, RFC 8422 5.4) */
	TLS_SIGNED_CLIENT_MESSAGES, /* TLS 1.2 CertificateVerify (RFC 5246 section 7.4.8) */
};
/*
 * Judges by form alone. Of TLS 1.3 a hash is left free (32 or 48 bytes); of the key exchange of
 * TLS 1.2 the two random values, and the public value of the exchange.
 */
enum tls_signed tls_signed_form(struct view input);

#endif
