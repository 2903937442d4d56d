/* The results of each method as Authentication-Results and Received-SPF have them. */
#ifndef MAILAUTH_REPORT_H
#define MAILAUTH_REPORT_H

#include "mailauth/arc.h"
#include "mailauth/authres.h"
#include "mailauth/dmarc.h"

/* "dkim=none", or a result for each signature. */
void report_dkim(const struct dkim_check *check, struct authres *results);
/* A line for each signature, with the record of its key. */
void report_dkim_steps(const struct dkim_check *check, struct str *out);

/* `sender`, `helo`: as they were said. The identity of a null sender is postmaster at HELO. */
void report_spf(const struct spf_answer *spf, struct view sender, struct view helo,
		struct authres *results);
void report_spf_helo(const struct spf_answer *spf, struct view helo, struct authres *results);
void report_received_spf(const struct spf_answer *spf, struct view ip, struct view sender,
			 struct view helo, struct view receiver, struct str *out);
/* `ip` (empty: not known) is the client's, as the next one wants to know it. */
void report_arc(const struct arc_check *check, struct view ip, struct authres *results);
void report_arc_steps(const struct arc_check *check, struct str *out);
void report_dmarc(const struct dmarc_answer *dmarc, struct authres *results);

#endif
