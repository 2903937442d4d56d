/*
 * What a certificate file says, for people who have to renew it: the first certificate of its chain.
 *
 *	struct certificate c;
 *	if (certificate_read(path, param.myhostname, &c)) ... c.days_left
 */
#ifndef TOOLS_CERTIFICATE_H
#define TOOLS_CERTIFICATE_H

#include <stdbool.h>

struct certificate {
	bool expired, not_yet_valid;
	int days_left;	/* 0 on the last day; negative: it has expired */
	bool fits;	/* it is for that host */
	char until[16]; /* "2027-02-01" */
	char name[80];	/* the first host that it is for, or its common name */
};
/* False: there is no certificate to be read. */
bool certificate_read(const char *path, const char *host, struct certificate *c);

#endif
