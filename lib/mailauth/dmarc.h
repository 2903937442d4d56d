/*
 * DMARC (RFC 9989, which RFC 7489 came before): what the domain in From wants to become of mail that
 * is not proven to be its own.
 *
 *	dmarc_record.c	a policy record taken apart
 *	dmarc_tree.c	the tree walk: whose policy, and which domains belong together
 *	dmarc.c		alignment and verdict
 *
 * Bounds: DMARC_WALK_MAX questions for each name that is walked from, each name asked once; the
 * author's domains, that of MAIL FROM and those of DKIM_SIGNATURES_MAX signatures.
 */
#ifndef MAILAUTH_DMARC_H
#define MAILAUTH_DMARC_H

#include "mailauth/author.h"
#include "mailauth/dkim.h"
#include "mailauth/spf.h"
#include "mailauth/suffix.h"

#define DMARC_WALK_MAX	 8 /* RFC 9989 section 4.10 */
#define DMARC_LABELS_MAX 7 /* of the second name of a walk */
#define DMARC_RECORD_MAX 16384

enum dmarc_policy { DMARC_NO_POLICY, DMARC_P_NONE, DMARC_P_QUARANTINE, DMARC_P_REJECT };
/* "reject" */
const char *dmarc_policy_word(enum dmarc_policy policy);

struct dmarc_record {
	enum dmarc_policy p, sp, np; /* DMARC_NO_POLICY: not given */
	bool strict_dkim, strict_spf;
	bool testing; /* t=y */
	char psd;     /* y, n or u */
	struct str text;
};
/* Whether a TXT record begins as one of DMARC. */
bool dmarc_record_is(struct view text);
/* False: no DMARC record, or one without use. dmarc_record_free in both cases. */
bool dmarc_record_parse(struct view text, struct dmarc_record *record);
void dmarc_record_free(struct dmarc_record *record);

/* ---- dmarc_tree.c ---- */

/* What was asked for while one message is looked at. */
struct dmarc_tree {
	const struct dns_source *dns;
	const struct suffix_list *suffixes; /* RFC 7489; NULL: the tree walk */
	struct dmarc_node **nodes;
	size_t count;
};
void dmarc_tree_free(struct dmarc_tree *tree);
/* What a walk came to. */
struct dmarc_walk {
	struct str organization; /* the organizational domain of the name */
	/* The record that counts for the name: its own, or the one above. NULL: there is none. */
	const struct dmarc_record *record;
	struct str owner; /* of that record */
	bool failed;	  /* the DNS gave no answer */
};
/* Waits. dmarc_walk_free. */
void dmarc_tree_walk(struct dmarc_tree *tree, struct view name, struct dmarc_walk *walk);
void dmarc_walk_free(struct dmarc_walk *walk);

/* ---- dmarc.c ---- */

struct dmarc_question {
	const struct author *author;
	const struct spf_answer *spf; /* of MAIL FROM, NULL: not asked */
	const struct dkim_check *dkim;
	const struct dns_source *dns;
	const struct suffix_list *suffixes;
};
struct dmarc_answer {
	enum proof result;	       /* none, pass, fail, temperror, permerror */
	enum dmarc_policy policy;      /* of the domain for this name */
	enum dmarc_policy disposition; /* what is to be done: DMARC_P_NONE: nothing */
	struct str domain;	       /* the author's that decided */
	struct str owner, record;      /* whose record, and the record */
	struct str organization;
	struct str reason;
	struct str steps;
	bool spf_aligned, dkim_aligned;
};
void dmarc_check(const struct dmarc_question *question, struct dmarc_answer *answer);
void dmarc_answer_free(struct dmarc_answer *answer);

#endif
