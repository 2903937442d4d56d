/*
 * The addresses to try for a destination, best first: mail exchangers by preference (RFC 5321 5.1),
 * those of equal preference in random order; none that is ourselves, nor any worse than that.
 * Without the DNS (names.h) the addresses of the host of that name.
 */
#ifndef SMTP_HOSTS_H
#define SMTP_HOSTS_H

#include <sys/socket.h>

#include "destination.h"
#include "failure.h"
#include "route/interfaces.h"

#define MX_RECORDS_MAX 64 /* mail exchangers of a domain that are looked at */

struct host {
	struct str name;
	struct str canonical; /* what a signed alias (CNAME) makes of it; empty: nothing */
	char text[64];	      /* the address, or empty for a path */
	struct sockaddr_storage address;
	socklen_t address_length;
	bool secure;	/* DNSSEC vouches for its addresses ... */
	bool secure_mx; /* ... and for the records that name it as the exchanger */
};
struct hosts {
	struct host *items;
	size_t count;
};

/* 0 with at least one host, at most `limit` (0: no limit); or -1 with the failure. */
int hosts_find(const struct destination *destination, const struct own_addresses *own, size_t limit,
	       struct hosts *hosts, struct outcome *failure);
void hosts_free(struct hosts *hosts);
#endif
