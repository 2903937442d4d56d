/*
 * Questions to the DNS, by whoever answers them: the suite's resolver, a name server that an
 * administrator names, a table in a test. Nothing in this room asks in another way.
 *
 *	struct records records;
 *	records_ask(dns, VIEW("example.org"), RECORD_TXT, &records);
 *	...
 *	records_free(&records);
 */
#ifndef MAILAUTH_RECORDS_H
#define MAILAUTH_RECORDS_H

#include "base/str.h"

/* RFC 1035 3.2.2, 3596, 2782, 6698, 8659. */
enum record_type {
	RECORD_A = 1,
	RECORD_CNAME = 5,
	RECORD_PTR = 12, /* the question is an address */
	RECORD_MX = 15,
	RECORD_TXT = 16,
	RECORD_AAAA = 28,
	RECORD_SRV = 33,  /* "priority weight port target" */
	RECORD_TLSA = 52, /* "3 1 1 00ff..." */
	RECORD_CAA = 257, /* "0 issue \"ca.example\"" */
};
#define RECORDS_MAX 256 /* of one answer; more are cut off */

struct records {
	enum records_outcome {
		RECORDS_FOUND,
		RECORDS_NONE,	 /* the name exists and has none of this type */
		RECORDS_NO_NAME, /* NXDOMAIN, or nothing that could be a name */
		RECORDS_FAILED,	 /* nobody knows now */
	} outcome;
	size_t count;
	/* Addresses as text, names without a last dot, the strings of one TXT record joined. */
	struct str *values;
};

struct dns_source {
	/* May wait. *records is empty when it is called. */
	void (*ask)(void *context, struct view name, enum record_type type,
		    struct records *records);
	void *context;
};

/* Always to be ended with records_free. What is no name is not asked for. */
void records_ask(const struct dns_source *dns, struct view name, enum record_type type,
		 struct records *records);
/* For those who answer. */
void records_add(struct records *records, struct view value);
void records_free(struct records *records);

/*
 * Appends the name below which lists of clients in the DNS have this address ("1.2.0.192"); nothing
 * if it is none.
 */
void records_list_name(struct view address, struct str *name);

/* Whether the DNS could have such a name: labels of 1 to 63 octets, 253 altogether (RFC 1035). */
bool record_name_is_possible(struct view name);

/* The resolver of the suite, for programs that may ask it. */
extern const struct dns_source records_of_resolver;

#endif
