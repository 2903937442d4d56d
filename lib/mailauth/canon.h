/*
 * Canonical forms of RFC 6376 section 3.4. A body is hashed as it comes, in pieces of any length,
 * and never kept.
 */
#ifndef MAILAUTH_CANON_H
#define MAILAUTH_CANON_H

#include "base/str.h"

enum canon { CANON_SIMPLE, CANON_RELAXED };

#define CANON_DIGEST_SIZE 32 /* SHA-256, the only one there is (RFC 8301) */

/* Appends a field in canonical form, CR LF at its end. `whole` may lack it. */
void canon_field(enum canon canon, struct view whole, struct str *out);
/* The same of a signature itself: without what stands at `removed` in it, and without CR LF. */
void canon_signature(enum canon canon, struct view whole, struct view removed, struct str *out);

struct canon_body;
/* Of the canonical body the first `limit` bytes are hashed. */
struct canon_body *canon_body_new(enum canon canon, uint64_t limit);
void canon_body_free(struct canon_body *body);
void canon_body_feed(struct canon_body *body, struct view bytes);
/* Once. */
void canon_body_end(struct canon_body *body);
/* After that: the digest, and the length of the canonical body. */
struct view canon_body_digest(const struct canon_body *body);
uint64_t canon_body_length(const struct canon_body *body);

/*
 * The bodies that the signatures of one message need, each of them once; so many at most, for each
 * costs time for every byte.
 */
#define CANON_BODIES_MAX 8
struct canon_bodies {
	struct canon_body *items[CANON_BODIES_MAX];
	size_t count;
};
/* NULL: too many. It stays with the set. */
struct canon_body *canon_bodies_need(struct canon_bodies *bodies, enum canon canon, uint64_t limit);
void canon_bodies_feed(struct canon_bodies *bodies, struct view bytes);
void canon_bodies_end(struct canon_bodies *bodies);
void canon_bodies_free(struct canon_bodies *bodies);

/* SHA-256 of a text. */
void canon_digest(struct view text, unsigned char digest[CANON_DIGEST_SIZE]);

#endif
