/*
 * Who a message is from: strangers' mail is verified as it comes in (verify.c), and refused, held or
 * marked by what that says (verdict.c), of which the domain's owner hears (seen.c); that of our own users is signed as it goes into the queue
 * (sign.c).
 */
#ifndef CLEANUP_PROOFS_H
#define CLEANUP_PROOFS_H

#include "intake.h"
#include "mailauth/dmarc.h"

/* ---- verdict.c ---- */

struct mail_check;
/* Before the program is confined. 0 or a negative errno with a reason. */
int verdict_open(struct error *err);
/*
 * The client, or the one that a filter names (XFORWARD), is a stranger: not one of
 * mail_verification_exempt_networks, nor of our own programs. False for what was verified before.
 */
bool verdict_is_stranger(const struct intake *in);
/* A field that only we write, in mail that comes from outside: results, verdicts, what filters say. */
bool verdict_is_forged(const struct intake *in, const struct header_field *field);
/* What was done for DMARC, in the words of its reports (RFC 9990). */
struct dmarc_done {
	enum dmarc_policy disposition;
	const char *reason;  /* "mailing_list": why it is not what the policy says; or NULL */
	const char *comment; /* or NULL */
};
/*
 * What becomes of a message about which that was found. 0 with X-Posta-Verdict in *field (or nothing),
 * or -EACCES after intake_fail.
 */
int verdict_act(struct intake *in, const struct mail_check *check, struct str *field,
		struct dmarc_done *done);

/* ---- seen.c ---- */

/* Tells reporter, which does not wait. */
void seen_tell(const struct intake *in, const struct mail_check *check,
	       const struct dmarc_done *done);

/* ---- verify.c ---- */

extern const struct content_stage stage_verify;

/* ---- passage.c: to a content filter, and back ---- */

/* As cleanup_signing_reserve. */
int passage_reserve(struct intake *in);
/* The message is as the filter will have it: marks it, if it goes to one. 0, or -EACCES after intake_fail. */
int passage_mark(struct intake *in);
/* Takes the mark off, and what it says for true if it is ours. 0, or -EACCES after intake_fail. */
int passage_read(struct intake *in, struct header_block *block);

/* ---- sign.c ---- */

/* Reads the tables, before the program is confined. 0 or a negative errno with a reason. */
int cleanup_signing_open(struct error *err);
/* Before the first byte of the content is written, each time that it is. 0 or a negative errno. */
int cleanup_signing_reserve(struct intake *in);
/* The message is as it will leave: signs it. 0, or -EACCES after intake_fail. */
int cleanup_sign(struct intake *in);

#endif
