/*
 * The bytes of DNS records, and the names that questions are asked with. Pure functions: what a
 * server sent is believed here or nowhere.
 */
#ifndef RESOLVER_RDATA_H
#define RESOLVER_RDATA_H

#include "base/str.h"

struct rdata {
	uint32_t preference, weight, port;
	struct str name; /* as in message `record` */
	struct str data;
};
void rdata_free(struct rdata *record);

/*
 * Takes one record's data apart: A, AAAA, MX, PTR, TXT, SRV, TLSA, whose lengths must be just
 * right. 0, or -EBADMSG (also for other types); *record is to be freed in any case.
 */
int rdata_parse(uint32_t type, struct view bytes, struct rdata *record);

/*
 * Appends the text of an uncompressed name at the front of `wire`, without a trailing dot ("." for
 * the root); bytes that have no place in a host name are written as \DDD. Returns the number of
 * bytes it takes, or -EBADMSG.
 */
int rdata_name(struct view wire, struct str *text);

/*
 * The name to ask the DNS for, with its trailing dot: an address becomes its reverse name for PTR,
 * an internationalised name its A-labels. -EINVAL: no name that the DNS could have.
 */
int rdata_question(struct view name, uint32_t type, struct str *question);

#endif
