/*
 * SPF (RFC 7208): may this client use that domain in MAIL FROM, or in HELO?
 *
 *	struct spf_question question = { .ip = ip, .helo = helo, .sender = sender, .dns = dns };
 *	struct spf_answer answer;
 *	spf_check(&question, &answer);
 *	...	answer.result, answer.explanation
 *	spf_answer_free(&answer);
 *
 *	spf_record.c	a record taken apart; the whole of it is right, or all of it is wrong
 *	spf_macro.c	%{...}
 *	spf.c		mechanisms one after the other
 *
 * Bounds (section 4.6.4): SPF_LOOKUPS_MAX terms that ask the DNS, over all records together;
 * SPF_HOSTS_MAX hosts of an mx, as many names of a ptr; `void_limit` questions that come to
 * nothing; SPF_TIME altogether, and one question more that has been asked by then.
 */
#ifndef MAILAUTH_SPF_H
#define MAILAUTH_SPF_H

#include "base/clock.h"
#include "mailauth/proof.h"
#include "mailauth/records.h"

#define SPF_LOOKUPS_MAX	  10
#define SPF_HOSTS_MAX	  10
#define SPF_VOIDS_DEFAULT 2
#define SPF_TIME	  ((msec_t)20 * 1000)
#define SPF_RECORD_MAX	  16384 /* bytes; a longer one is an error */
#define SPF_EXPLAIN_MAX	  512	/* bytes of an explanation */

struct spf_question {
	struct view ip;	      /* of the client, as text */
	struct view helo;     /* as the client said it */
	struct view sender;   /* internal form; empty: postmaster at HELO */
	struct view receiver; /* name of this host, for %{r} */
	const struct dns_source *dns;
	unsigned void_limit; /* 0: SPF_VOIDS_DEFAULT */
};
struct spf_answer {
	enum proof result;
	struct str identity_domain; /* that was asked about */
	struct str domain;	    /* whose record it was */
	struct str mechanism;	    /* the term that matched; empty: none did */
	struct str explanation; /* what to tell people; of fail what the domain wants to be said */
	bool explained;		/* the explanation is the domain's own */
	struct str steps;	/* a line for each record and term that was looked at */
	unsigned lookups, voids;
};
/* Waits for the DNS. */
void spf_check(const struct spf_question *question, struct spf_answer *answer);
void spf_answer_free(struct spf_answer *answer);

/* ---- spf_record.c ---- */

enum spf_mechanism { SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6, SPF_EXISTS };
struct spf_term {
	struct view text; /* all of it */
	char qualifier;	  /* + - ? ~ */
	enum spf_mechanism mechanism;
	struct view target; /* domain-spec, not expanded; empty: the domain itself */
	unsigned prefix4, prefix6;
	unsigned char network[16];
};
struct spf_record {
	struct spf_term *terms;
	size_t count;
	struct view redirect, exp; /* domain-specs; empty: there is none */
};
/* A record that begins with "v=spf1": 0, or -EINVAL with *problem the term that is wrong. */
int spf_record_parse(struct view text, struct spf_record *record, struct view *problem);
void spf_record_free(struct spf_record *record);
/* Whether a TXT record is one of SPF (section 4.5). */
bool spf_record_is(struct view text);

/* ---- spf_macro.c ---- */

/* What macros stand for. */
struct spf_macros {
	struct view local, sender_domain, domain, helo, receiver;
	const unsigned char *address;
	int family; /* 4 or 6 */
	/* The validated name of the client, asked for when %{p} is met. */
	struct view (*client_name)(void *context);
	void *context;
};
/* Whether the syntax is right: a domain-spec (7.1), or a text of exp (where %{c}, r and t may be). */
bool spf_macro_is_domain(struct view text);
bool spf_macro_is_text(struct view text, bool in_explanation);
/*
 * Appends the expansion of a text whose syntax is right. 0, or -EILSEQ: a local part that is not
 * ASCII would have to be put into it (RFC 8616 section 4).
 */
int spf_macro_expand(const struct spf_macros *macros, struct view text, struct str *out);
/* The same for a name: cut from the left to what the DNS allows. */
int spf_macro_expand_domain(const struct spf_macros *macros, struct view text, struct str *out);

#endif
