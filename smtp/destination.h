/* A next hop as configurations write it, taken apart. */
#ifndef SMTP_DESTINATION_H
#define SMTP_DESTINATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define DESTINATIONS_MAX 32 /* in one list */

struct destination {
	struct str text; /* as written: key of passwords and of kept connections */
	struct str host; /* name, address, or path */
	uint16_t port;
	bool is_path;  /* unix:/path */
	bool use_mx;   /* host is a domain whose MX records count */
	bool own_port; /* no port was named, or just the usual one */
};

struct destinations {
	struct destination items[DESTINATIONS_MAX];
	size_t count;
};

/*
 * Reads "domain", "[host]", "domain:port", "[host]:port", "[2001:db8::1]:port", and for LMTP also
 * "inet:host:port" and "unix:path"; several with commas or spaces between them, tried in turn.
 * Appends to *list. -EINVAL with a reason.
 */
int destinations_parse(struct view text, bool lmtp, uint16_t usual_port, struct destinations *list,
		       struct error *err);
void destinations_free(struct destinations *list);
/* A number, or the name of one of the mail services. -EINVAL */
int port_parse(struct view text, uint16_t *port);

#endif
