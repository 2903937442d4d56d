/*
 * Questions to the DNS through libunbound, which runs in a thread of its own and has the cache;
 * its answers come to one task, which hands them to those who asked.
 *
 * lookup_prepare() reads the files there are (name servers, trust anchors); call it before the
 * chroot. lookup_start() in a task after it.
 */
#ifndef RESOLVER_LOOKUP_H
#define RESOLVER_LOOKUP_H

#include <unbound.h>

#include "base/error.h"
#include "base/str.h"

int lookup_prepare(struct error *err);
void lookup_start(void);

struct lookup {
	struct ub_result *result; /* NULL: none came */
	struct str reason;	  /* then: why */
};
/* Asks and waits, dns_timeout at most. */
void lookup_ask(const char *question, uint32_t type, struct lookup *lookup);
void lookup_free(struct lookup *lookup);

#endif
