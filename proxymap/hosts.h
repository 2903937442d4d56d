/* The servers of one table: "hosts" of mysql_table(5), "server_host" of ldap_table(5). */
#ifndef PROXYMAP_HOSTS_H
#define PROXYMAP_HOSTS_H

#include "base/clock.h"
#include "driver.h"

struct host {
	struct driver_host known;	   /* of which address is looked up when it is needed */
	char *specification, *name, *path; /* the first for people: without a password */
	void *more;
	void (*more_free)(void *more);
	char address[64];
	msec_t down_until;
	bool was_silent; /* it has not even refused */
};

/*
 * Reads one: "unix:/path", "inet:host:port", "host", "host:port", "[::1]:port", "ldap://host:port",
 * "ldaps://host", "ldapi://%2Fpath", or a URL of the driver's own. `port` is that of hosts that are named without one. 0, or -EINVAL with the reason.
 */
int host_parse(struct view text, const struct driver *driver, unsigned port, struct host *host,
	       struct error *err);
void host_free(struct host *host);
/* Finds the address of a host of the network. 0, or a negative errno. Waits. */
int host_resolve(struct host *host);

#endif
