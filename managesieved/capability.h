/* What ManageSieve announces (RFC 5804, 1.7), before and after a login. */
#ifndef MANAGESIEVED_CAPABILITY_H
#define MANAGESIEVED_CAPABILITY_H

#include "base/str.h"

/*
 * The lines, appended. `mechanisms`: "PLAIN LOGIN ...", empty when nobody can log in here and now;
 * `owner`: who has logged in, or empty.
 */
void managesieve_capabilities(struct str *out, struct view mechanisms, bool starttls,
			      struct view owner);

#endif
