/* The results of each method as Authentication-Results and Received-SPF have them. */
#ifndef MAILAUTH_REPORT_H
#define MAILAUTH_REPORT_H

#include "mailauth/authres.h"
#include "mailauth/dkim.h"
#include "mailauth/spf.h"

/* "dkim=none", or a result for each signature. */
void report_dkim(const struct dkim_check *check, struct authres *results);
/* A line for each signature, with the record of its key. */
void report_dkim_steps(const struct dkim_check *check, struct str *out);

#endif
