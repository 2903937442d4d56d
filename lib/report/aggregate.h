/*
 * DMARC aggregate reports (RFC 7489 section 7.2 and appendix C; RFC 9990): what servers tell the owner
 * of a domain about the mail that came to them in its name.
 *
 *	aggregate_write.c	ours, for others
 *	aggregate_read.c	others', for us
 */
#ifndef REPORT_AGGREGATE_H
#define REPORT_AGGREGATE_H

#include "base/error.h"
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

/* ---- aggregate_read.c ---- */

/*
 * By expat, without entities and document types. Bounds: AGGREGATE_DEPTH_MAX elements one in the other,
 * AGGREGATE_ROWS_MAX rows, AGGREGATE_TEXT_MAX bytes of one text (what is longer is cut off). Texts have
 * no control characters; elements are known by their names, in whatever namespace they are.
 */
#define AGGREGATE_DEPTH_MAX   16
#define AGGREGATE_ROWS_MAX    100000
#define AGGREGATE_TEXT_MAX    512
#define AGGREGATE_RESULTS_MAX 4096

struct aggregate_row {
	struct str source, header_from, envelope_from, envelope_to;
	struct str disposition, dkim, spf; /* words; dkim and spf: pass where it is aligned */
	struct str reason, comment;
	struct str results; /* as in struct aggregate_seen */
	uint64_t count;
};
struct aggregate_report {
	struct str organization, email, id, domain, p, sp, np, adkim, aspf;
	int64_t begin, end;
	struct aggregate_row *rows;
	size_t count;
};
/* 0, or -EBADMSG or -EFBIG with a reason. aggregate_report_free in both cases. */
int aggregate_read(struct view xml, struct aggregate_report *report, struct error *err);
void aggregate_report_free(struct aggregate_report *report);

#endif
