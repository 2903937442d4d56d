/*
 * posta dns: what its files share.
 *
 *	verb_dns.c	the options; printing and checking
 *	dns_wanted.c	which records a domain and its host need
 *	dns_published.c	what is published, and whether it is that
 *	dns_bulk.c	what large receivers require of those who send much
 *	dns_signed.c	what DNSSEC says of all this
 *	dns_tlsa.c	TLSA records and certificates
 */
#ifndef TOOLS_DNS_H
#define TOOLS_DNS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "mailauth/records.h"

/* What becomes of mail without it. */
enum dns_need {
	DNS_NEEDED,  /* it does not arrive, or is refused */
	DNS_ADVISED, /* some of it ends as spam, or goes unencrypted */
	DNS_OPTIONAL /* clients find their settings; others may check more */
};
struct dns_wanted {
	enum dns_need need;
	enum record_type type;
	char *owner; /* without the last dot; of a PTR record the address */
	char *value; /* as in a zone file */
	char *match; /* a published value fits if it begins with that (small letters); NULL: any */
	bool within; /* a published value fits if it has `match` anywhere, blanks aside, to the byte */
	bool one;    /* there may be one of that beginning only: "v=spf1" */
	bool if_published; /* nothing is wrong if there is none of this type */
	char *certificate; /* TLSA: a published value fits if it is about what this file has */
	const char *why;   /* what it is for */
};
struct dns_wish {
	struct dns_wanted *items;
	size_t count;
	struct str notes;     /* a line each */
	struct str addresses; /* of this host, as the Internet sees it; one a line */
};
/* For mail of this domain; with `host` also what the host itself needs. */
void dns_wish_make(const char *domain, bool host, struct dns_wish *wish);
void dns_wish_free(struct dns_wish *wish);
const char *dns_type_name(enum record_type type);

struct dns_finding {
	enum { DNS_FITS, DNS_MISSING, DNS_DIFFERENT, DNS_NOT_NEEDED, DNS_UNKNOWN } verdict;
	struct str published; /* values, or the reason; for people */
};
/* Waits for the DNS. */
void dns_wanted_check(const struct dns_source *dns, const struct dns_wanted *wanted,
		      struct dns_finding *finding);
/*
 * Whether mail of the domain and of the host itself passes SPF from each address that is published for
 * the host: a line for each that does not.
 */
void dns_check_spf(const struct dns_source *dns, const char *domain, struct str *problems);

enum dns_bulk_verdict { DNS_BULK_MET, DNS_BULK_NOT_MET, DNS_BULK_UNKNOWN };
/* Calls `each` for each requirement. Waits for the DNS. */
void dns_check_bulk(const struct dns_source *dns, const char *domain,
		    void (*each)(enum dns_bulk_verdict verdict, const char *domain,
				 const char *what));

enum dns_signed { DNS_SIGNED, DNS_UNSIGNED, DNS_BOGUS, DNS_SIGNED_ABSENT, DNS_SIGNED_UNKNOWN };
typedef void dns_signed_taker(enum dns_signed verdict, const char *owner, const char *what);
/* The suite's resolver runs and validates; to be asked once, before dns_check_signed. */
bool dns_signed_can_be_asked(void);
/* Calls `each` for each kind of record of the domain and, with `host`, of this host. Waits for the DNS. */
void dns_check_signed(const char *domain, bool host, dns_signed_taker *each);

/* Appends the SHA-256 of the public key of the certificate in a file. False: there is none. */
bool dns_tlsa_of_key(const char *path, struct str *hex);
/*
 * Whether the text of a TLSA record, "3 1 1 00ff...", is of the certificate in the file, or of an
 * authority whose certificate follows it there.
 */
bool dns_tlsa_fits(const char *path, struct view record);

#endif
