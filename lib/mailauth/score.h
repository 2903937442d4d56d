/*
 * A score: points for what was found about a message (junk_score_weights), added up. For sites that
 * have no filter of another kind; it looks at nothing but proofs and lists in the DNS.
 *
 *	"spf:fail=2 dmarc:pass=-3 dkim:none=1 spf:pass:bulk.example=4 dnsbl:list.example=5"
 *
 * What is with a domain counts for that domain alone; of several DKIM signatures the best one counts
 * where no domain is named.
 */
#ifndef MAILAUTH_SCORE_H
#define MAILAUTH_SCORE_H

#include <stdint.h>

#include "base/error.h"
#include "mailauth/proof.h"
#include "mailauth/records.h"

#define SCORE_WEIGHTS_MAX 64
#define SCORE_LISTS_MAX	  10 /* of them, lists: each is a question to the DNS */
#define SCORE_POINTS_MAX  1000

struct score_weights {
	struct score_weight {
		struct str key; /* "spf:fail", "spf:fail:example.org", "dnsbl:list.example" */
		int points;
	} items[SCORE_WEIGHTS_MAX];
	size_t count;
};
/* 0 or -EINVAL with a reason. To be freed in any case. */
int score_weights_parse(struct view text, struct score_weights *weights, struct error *err);
void score_weights_free(struct score_weights *weights);

struct score {
	int points;
	uint64_t counted; /* each weight counts once */
	struct str why;	  /* "spf:fail=2 dnsbl:list.example=5" */
};
void score_free(struct score *score);
/* A result as such, or (domain not empty) of that domain. */
void score_add(struct score *score, const struct score_weights *weights, const char *method,
	       enum proof proof, struct view domain);
/* Asks the lists about a client. Waits. One that does not answer counts nothing. */
void score_add_lists(struct score *score, const struct score_weights *weights, struct view ip,
		     const struct dns_source *dns);

#endif
