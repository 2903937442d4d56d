/*
 * ARC (RFC 8617): what those who handed a message on found, and sealed.
 *
 *	struct arc_check *arc = arc_check_new(fields, &bodies);
 *	canon_bodies_feed(&bodies, bytes) ...; canon_bodies_end(&bodies);
 *	arc_check_finish(arc, dns, clock_wall());
 *	...	arc_check_result(arc)		PROOF_NONE, PROOF_PASS, PROOF_FAIL, or PROOF_TEMPERROR:
 *						the DNS gave no answer
 *	arc_check_free(arc);
 *
 * A chain that passes proves who sealed, not that what they say is true.
 * Bounds: ARC_SETS_MAX sets; two keys for each.
 */
#ifndef MAILAUTH_ARC_H
#define MAILAUTH_ARC_H

#include "mailauth/dkim.h"

struct arc_check;
/* `fields` and `bodies` must stay until the end. */
struct arc_check *arc_check_new(struct field_set *fields, struct canon_bodies *bodies);
void arc_check_free(struct arc_check *check);
/* The body has ended. Waits for the DNS. */
void arc_check_finish(struct arc_check *check, const struct dns_source *dns, int64_t now);
enum proof arc_check_result(const struct arc_check *check);
/* Why it is no pass; empty where there is nothing to say. */
struct view arc_check_reason(const struct arc_check *check);
/* How many sets; 0 too where they are no chain. */
uint32_t arc_check_count(const struct arc_check *check);
/* The oldest set whose signature still fits the message; 0: all do. */
uint32_t arc_check_oldest_pass(const struct arc_check *check);
/* The newest seal says itself that the chain is broken: nobody seals on top of it. */
bool arc_check_is_over(const struct arc_check *check);
/* Who sealed set i (from 1). */
const struct signature *arc_check_seal(const struct arc_check *check, uint32_t instance);
const struct signature *arc_check_message(const struct arc_check *check, uint32_t instance);
/* What that set's Authentication-Results say, after the instance. */
struct view arc_check_results(const struct arc_check *check, uint32_t instance);

/*
 * Seals: appends ARC-Seal, ARC-Message-Signature and ARC-Authentication-Results. `body_digest` is
 * of the relaxed body; `results` "authserv-id; ..." as Authentication-Results has it; `chain` what
 * came of the sets there are. -EALREADY: there is a set that ends the chain, or there are as many as
 * there may be; -EAGAIN: what came of them is not known; -E2BIG; or what the maker says.
 */
int arc_seal(const struct signing *signing, struct field_set *fields, struct view body_digest,
	     struct view results, enum proof chain, struct str *out);

/* The instance at the front of ARC-Authentication-Results and what follows it. False: none. */
bool arc_read_instance(struct view body, uint32_t *instance, struct view *rest);

#endif
