/*
 * DMARC aggregate reports (RFC 7489 section 7.2 and appendix C; RFC 9990): what servers tell the owner
 * of a domain about the mail that came to them in its name.
 *
 *	aggregate_write.c	ours, for others
 */
#ifndef REPORT_AGGREGATE_H
#define REPORT_AGGREGATE_H

#include "mailauth/dmarc.h"

/* ---- aggregate_write.c ---- */

/*
 * RFC7489: what most programs read. RFC9990: its successor, with the fields that it has (np, testing,
 * discovery_method, the disposition "pass") and without pct.
 */
enum aggregate_schema { AGGREGATE_RFC7489, AGGREGATE_RFC9990 };

/* What stands above the rows. */
struct aggregate_head {
	struct view organization, email, id; /* of who reports */
	int64_t begin, end;		     /* seconds; both are part of it */
	struct view domain, record;	     /* whose policy, and all of its record */
	uint64_t left_out;		     /* rows that there was no room for */
};
/* Messages that were alike. */
struct aggregate_seen {
	struct view source; /* an IP address as text */
	struct view header_from, envelope_from;
	enum dmarc_policy disposition;
	bool dkim_aligned, spf_aligned;
	/* Why another thing was done than the policy says: a word of RFC 9990 and a comment; or empty. */
	struct view reason, comment;
	/* Lines of words with tabs between them: "spf mfrom DOMAIN RESULT", "dkim DOMAIN SELECTOR RESULT". */
	struct view results;
	uint64_t count;
};
void aggregate_write_head(struct str *out, enum aggregate_schema schema,
			  const struct aggregate_head *head);
void aggregate_write_row(struct str *out, enum aggregate_schema schema,
			 const struct aggregate_seen *seen);
void aggregate_write_end(struct str *out);

#endif
