/*
 * What DKIM-Signature, ARC-Message-Signature and ARC-Seal have in common: their tags, what they are
 * made over, and the key that proves them.
 *
 *	signature.c		tags read and judged
 *	signature_proof.c	header hashed, key fetched, signature verified
 *	key_record.c		keys as the DNS has them
 *
 * Bounds: TAGS_TEXT_MAX bytes of a field, SIGNATURE_NAMES_MAX names in h=, RSA keys of
 * KEY_BITS_MIN to KEY_BITS_MAX.
 */
#ifndef MAILAUTH_SIGNATURE_H
#define MAILAUTH_SIGNATURE_H

#include "mailauth/canon.h"
#include "mailauth/fields.h"
#include "mailauth/proof.h"
#include "mailauth/records.h"
#include "mailauth/tags.h"

#define SIGNATURE_NAMES_MAX 256
#define SIGNATURE_DRIFT	    300	 /* seconds that a signer's clock may be ahead */
#define KEY_BITS_MIN	    1024 /* RFC 8301 section 3.2 */
#define KEY_BITS_MAX	    4096
#define ARC_SETS_MAX	    50 /* RFC 8617 section 4.2.1 */

enum signature_kind { SIGNATURE_DKIM, SIGNATURE_ARC_MESSAGE, SIGNATURE_ARC_SEAL };
enum signature_algorithm { ALGORITHM_RSA_SHA256, ALGORITHM_ED25519_SHA256 };
/* "rsa-sha256" */
const char *signature_algorithm_name(enum signature_algorithm algorithm);
/* 0 or -EINVAL. */
int signature_algorithm_find(struct view name, enum signature_algorithm *algorithm);
/* "relaxed/simple", "simple" (simple/simple), "relaxed" (relaxed/simple). 0 or -EINVAL. */
int signature_canon_parse(struct view text, enum canon *header, enum canon *body);

struct signature {
	enum signature_kind kind;
	struct view whole; /* the field, which must stay */
	struct tag_list tags;
	enum signature_algorithm algorithm;
	enum canon header_canon, body_canon;
	struct str domain, selector; /* A-labels */
	struct str identity;	     /* i= as it stands, or "@" and the domain */
	struct str names;	     /* h=, without white space */
	struct str body_hash, bytes;
	uint64_t length;       /* l=; UINT64_MAX: the whole body */
	int64_t time, expires; /* -1: not given */
	uint32_t instance;     /* ARC */
	enum proof chain;      /* ARC-Seal: cv= */

	const struct canon_body *body;

	enum proof result;
	struct str reason; /* for people; empty where there is nothing to say */
	struct str record; /* the key's record, when there is one */
	unsigned key_bits; /* of RSA */
	bool testing;	   /* t=y in the key's record */
};
/*
 * Reads the tags. False: it cannot be used, for signature->result and reason. signature_free in
 * both cases.
 */
bool signature_read(enum signature_kind kind, const struct header_field *field,
		    struct signature *signature);
void signature_free(struct signature *signature);
/* Sets result and reason. Returns false. */
bool signature_spoil(struct signature *signature, enum proof result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* How often h= names that field. */
size_t signature_names_field(const struct signature *signature, struct view name);

/* ---- signature_proof.c ---- */

/* What is signed of the header, for DKIM-Signature and ARC-Message-Signature. */
void signature_header_digest(const struct signature *signature, struct field_set *fields,
			     unsigned char digest[CANON_DIGEST_SIZE]);
/* Whether the body is what was signed; canon_body_end must have been called. */
bool signature_check_body(struct signature *signature);
/*
 * Fetches the key and verifies the signature of that digest. Waits. Sets result (PROOF_PASS) and
 * reason; true if it is right.
 */
bool signature_check_key(struct signature *signature, const struct dns_source *dns,
			 const unsigned char digest[CANON_DIGEST_SIZE]);
/* t= and x= against the clock (seconds). False: out of time. */
bool signature_check_time(struct signature *signature, int64_t now);

/* ---- key_record.c ---- */

struct evp_pkey_st;
struct key_record {
	struct evp_pkey_st *key;
	enum signature_algorithm algorithm;
	unsigned bits;
	bool testing; /* t=y */
	bool strict;  /* t=s */
};
/*
 * A record's text. PROOF_PASS, or what the signature's result is then, with *reason a literal text.
 * key_record_free in all cases.
 */
enum proof key_record_parse(struct view text, struct key_record *record, const char **reason);
void key_record_free(struct key_record *record);
/* Whether that is the key's signature of the digest. */
bool key_record_verify(const struct key_record *record,
		       const unsigned char digest[CANON_DIGEST_SIZE], struct view signature);

#endif
