/* posta sign: what its parts share. */
#ifndef TOOLS_SIGN_H
#define TOOLS_SIGN_H

#include "mailauth/dkim.h"

struct sign_options {
	const char *domain, *selector, *key, *canon, *algorithm, *identity, *authserv_id, *dns;
	bool is_arc;
	struct str message; /* in CRLF form */
	bool bare_lf;	    /* it did not come so */
};
extern struct sign_options sign_options;

/* sign_arc.c: 0 or a negative errno. */
int sign_arc(struct signing *signing, struct field_set *fields, struct str *out);

#endif
