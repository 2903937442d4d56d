/*
 * The other side of tls/sign.h: the program that has the private keys. Nothing here waits.
 */
#ifndef TLS_KEYS_H
#define TLS_KEYS_H

#include "base/error.h"
#include "tls/sign.h"
#include "tls/tls.h"

struct tls_key;
void tls_key_free(struct tls_key *key);
/* TLS_KEY_NAME_SIZE bytes. */
struct view tls_key_name(const struct tls_key *key);
const char *tls_key_type(const struct tls_key *key);

/* Gets each key, and owns it. */
typedef void tls_key_taker(void *argument, struct tls_key *key);
/* Whether the certificates can be read, without their keys. 0 or -EINVAL. */
int tls_certificates_try(const struct tls_options *options, struct error *err);
/* Reads the keys that the options name, and checks that each belongs to its certificate. */
int tls_keys_read(const struct tls_options *options, tls_key_taker *take, void *argument,
		  struct error *err);

/*
 * What a name of tls_server_sni_maps stands for: names of chain files or, as postmap -F makes it, their
 * content in base64. `take` gets the keys, *shown the same as a chain file with the keys left blank
 * (tls_chain_function). 0 or a negative errno with a reason; then what `take` got is good.
 */
int tls_keys_read_sni(struct view value, tls_key_taker *take, void *argument, struct str *shown,
		      struct error *err);

/*
 * Signs what a handshake lets be signed (tls_signed_form is the caller's to ask). 0, or -EINVAL:
 * the scheme is not for this key; -EIO: OpenSSL failed.
 */
int tls_key_sign(const struct tls_key *key, const struct tls_scheme *scheme, struct view input,
		 struct str *signature);

#endif
