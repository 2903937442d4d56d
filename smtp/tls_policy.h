/* The TLS policy of a destination: smtp_tls_policy_maps and the parameters behind it. */
#ifndef SMTP_TLS_POLICY_H
#define SMTP_TLS_POLICY_H

#include "base/error.h"
#include "destination.h"
#include "failure.h"

enum tls_level {
	TLS_NONE,
	TLS_MAY,
	/* From here on no mail goes out without TLS. */
	TLS_ENCRYPT,
	/* From here on none to a server that is not the right one. */
	TLS_FINGERPRINT,
	TLS_VERIFY,
	TLS_SECURE,
	/* What TLSA records ask for (RFC 7672): decided for each host. */
	TLS_DANE,
	TLS_DANE_ONLY,
};

struct tls_policy {
	enum tls_level level;
	struct str protocols, ciphers; /* ciphers: OpenSSL's list, empty: its default */
	struct str match;	       /* names, or fingerprints */
	struct str servername;
};
void tls_policy_free(struct tls_policy *policy);

/* Reads the parameters and opens the tables; before the chroot. */
int tls_policy_prepare(struct error *err);
bool tls_policy_may_need_tls(void);
enum tls_level tls_policy_usual_level(void);
/* 0; or -1 with the failure: what is wanted cannot be said now. tls_policy_free in both cases. */
int tls_policy_find(const struct destination *d, struct tls_policy *policy,
		    struct outcome *failure);

#endif
