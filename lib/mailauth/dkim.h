/*
 * DKIM (RFC 6376, 8301, 8463, 8616): who has signed a message, and signing.
 *
 *	struct dkim_check *check = dkim_check_new(fields, &author, &bodies);
 *	canon_bodies_feed(&bodies, bytes) ...; canon_bodies_end(&bodies);
 *	dkim_check_finish(check, dns, clock_wall());
 *	...	dkim_check_at(check, i)->result
 *	dkim_check_free(check);
 *
 * Bounds: of the signatures DKIM_SIGNATURES_MAX are verified, first those whose domain has to do
 * with one of the author's; what else is named in signature.h.
 */
#ifndef MAILAUTH_DKIM_H
#define MAILAUTH_DKIM_H

#include "base/error.h"
#include "mailauth/author.h"
#include "mailauth/signature.h"

#define DKIM_SIGNATURES_MAX 8

struct dkim_check;
/* `fields` and `bodies` must stay until the end. */
struct dkim_check *dkim_check_new(struct field_set *fields, const struct author *author,
				  struct canon_bodies *bodies);
void dkim_check_free(struct dkim_check *check);
/* The body has ended. Waits for the DNS, for keys of the author's domains first. */
void dkim_check_finish(struct dkim_check *check, const struct dns_source *dns, int64_t now);
/* In the order of the header; how many there were beyond the limit. */
size_t dkim_check_count(const struct dkim_check *check);
const struct signature *dkim_check_at(const struct dkim_check *check, size_t index);
size_t dkim_check_passed_over(const struct dkim_check *check);

/* ---- signing ---- */

#define SIGNING_NAMES_MAX 200 /* names in h=: a header with more of these is not signed */

/* Appends the signature (bytes, not base64) of a digest. 0 or a negative errno. May wait. */
typedef int signature_maker(void *context, struct view digest, struct str *bytes);

struct signing {
	struct view domain, selector;
	struct view identity; /* i=; empty: none */
	enum signature_algorithm algorithm;
	enum canon header_canon, body_canon;
	int64_t time;
	struct view key; /* for those who make signatures elsewhere: the name of the key */
	signature_maker *make;
	void *context;
};
/*
 * Appends "DKIM-Signature: ..." with its last CR LF, of a message that has these fields and this
 * digest of its canonical body. 0; -E2BIG: too many fields; or what the maker says.
 */
int dkim_sign(const struct signing *signing, struct field_set *fields, struct view body_digest,
	      struct str *out);
/*
 * What both DKIM and ARC sign: "from:from:subject..." of the fields there are, those that must not
 * be added once more than there are.
 */
int signing_names(const struct field_set *fields, struct str *names);
/* Appends the fields that these names take, in canonical form. */
void signing_header(struct field_set *fields, struct view names, enum canon canon,
		    struct str *text);
/*
 * Finishes a field whose text ends with "b=": makes the signature of `signed_text` and that, and
 * appends it, folded, and CR LF.
 */
int signing_finish(const struct signing *signing, enum canon canon, struct str *signed_text,
		   struct str *field);
/* Appends a list or base64 text, folded so that no line is long: after the separator, or (NUL) anywhere. */
void signing_append_folded(struct str *out, struct view text, char separator);

/* ---- private_key.c ---- */

struct private_key;
/* A PEM text. NULL with a reason: no RSA key of 1024 bits or more, no Ed25519 key. */
struct private_key *private_key_read(struct view pem, struct error *err);
void private_key_free(struct private_key *key);
void private_key_freep(struct private_key **key);
enum signature_algorithm private_key_algorithm(const struct private_key *key);
unsigned private_key_bits(const struct private_key *key);
/* A signature_maker; `key` is the context. */
int private_key_sign(void *key, struct view digest, struct str *bytes);
/* "v=DKIM1; k=rsa; p=..." */
void private_key_record(const struct private_key *key, struct str *out);

#endif
