/*
 * Everything that can be proven of one message, as it comes in: SPF, DKIM, ARC, DMARC, and the name
 * of the client's address. What the programs do, and what `posta verify` shows.
 *
 *	struct mail_check *check = mail_check_new(&question, header);
 *	mail_check_feed(check, bytes) ...;
 *	mail_check_finish(check);		waits for the DNS
 *	mail_check_report(check, MAIL_CHECK_ALL, &results);
 *	mail_check_free(check);
 *
 * Bounds of one message: MAIL_CHECK_QUESTIONS questions to the DNS, MAIL_CHECK_TIME; what is not
 * answered by then is a temporary error.
 */
#ifndef MAILAUTH_CHECK_H
#define MAILAUTH_CHECK_H

#include "mailauth/arc.h"
#include "mailauth/authres.h"
#include "mailauth/dmarc.h"

#define MAIL_CHECK_QUESTIONS 300
#define MAIL_CHECK_TIME	     ((msec_t)60 * 1000)
/* Of it, kept for the author's policy: SPF and DKIM must be done before. */
#define MAIL_CHECK_POLICY_TIME ((msec_t)20 * 1000)

enum mail_check_method {
	MAIL_CHECK_IPREV = 1,
	MAIL_CHECK_SPF = 2,
	MAIL_CHECK_DKIM = 4,
	MAIL_CHECK_ARC = 8,
	MAIL_CHECK_DMARC = 16,
	MAIL_CHECK_ALL = 31,
};
struct mail_question {
	struct view ip; /* empty: no client is known: neither SPF nor iprev */
	struct view helo, sender, receiver;
	const struct dns_source *dns;
	const struct suffix_list *suffixes;
};
struct mail_check {
	struct str ip, helo, sender, receiver;
	struct dns_source dns;
	unsigned questions_left;
	msec_t deadline;
	const struct dns_source *asked;
	const struct suffix_list *suffixes;

	struct field_set *fields;
	struct canon_bodies bodies;
	struct author author;
	struct dkim_check *dkim;
	struct arc_check *arc;

	/* After mail_check_finish. */
	bool has_client, has_helo;
	struct spf_answer spf, spf_helo;
	struct dmarc_answer dmarc;
	enum proof iprev;
	struct str iprev_name;
};
struct mail_check *mail_check_new(const struct mail_question *question, struct view header);
void mail_check_free(struct mail_check *check);
void mail_check_freep(struct mail_check **check);
void mail_check_feed(struct mail_check *check, struct view bytes);
/* Once, after all of the body. Waits. */
void mail_check_finish(struct mail_check *check);

/* ---- check_report.c ---- */

/* Adds the results of these methods. */
void mail_check_report(const struct mail_check *check, unsigned methods, struct authres *results);
/* A line for each step, with the records that decided. */
void mail_check_steps(const struct mail_check *check, unsigned methods, struct str *out);
/* Received-SPF (RFC 7208 section 9.1), with its CR LF; nothing without a client. */
void mail_check_received_spf(const struct mail_check *check, struct str *out);

#endif
