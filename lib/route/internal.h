/* What the files of lib/route share. */
#ifndef ROUTE_INTERNAL_H
#define ROUTE_INTERNAL_H

#include <errno.h>

#include "base/mem.h"
#include "route/interfaces.h"
#include "route/route.h"
#include "table/table.h"

/*
 * The tables of one parameter. Unlike struct tables it knows which of them are patterns: those are
 * asked for whole addresses only, never for a part of one ("@domain", "user"), which a pattern
 * written for addresses would match by accident.
 */
struct route_map {
	struct table *table;
	bool pattern;
};
struct route_maps {
	const char *parameter;
	struct route_map *items;
	size_t count;
};

int route_maps_open(struct route_maps *maps, const char *parameter, const char *list,
		    struct error *err);
void route_maps_close(struct route_maps *maps);
enum route_key { KEY_WHOLE, KEY_PART };
/* 1 with the value, 0, or a negative errno, logged. *by (may be NULL) names the table. */
int route_maps_find(const struct route_maps *maps, struct view key, enum route_key kind,
		    struct str *value, const char **by);

struct routes {
	struct route_maps local_recipients, relay_recipients, virtual_alias, virtual_mailbox,
		mailbox_users, transport, sender_relayhost, sender_transport, relocated, canonical,
		sender_canonical, recipient_canonical, sender_bcc, recipient_bcc;
	struct matchlist *mydestination, *virtual_alias_domains, *virtual_mailbox_domains,
		*relay_domains, *masquerade_exceptions;
	struct own_addresses *own;
	/* The parameters of these names, or those that hold for probes. */
	const char *local_transport, *virtual_transport, *relay_transport, *default_transport,
		*relayhost;
	bool transport_parents; /* "domain" in transport_maps matches subdomains */
};

/*
 * Looks an address up as Postfix's tables are: user+extension@domain, user@domain, and for domains
 * of this system user+extension, user; then @domain (unless `no_domain`). *extension gets what had
 * to be cut off for the match, with its delimiter.
 */
struct address_query {
	const struct routes *routes;
	const struct route_maps *maps;
	struct view address;
	bool no_domain;
	struct trail *why;
};
int route_find_address(const struct address_query *query, struct str *value, struct str *extension);

/* Domain is in mydestination, or an address literal of this host: 1, 0, negative errno. */
int route_domain_is_local(const struct routes *routes, struct view domain, const char **by);

/* A growing list of addresses. */
struct address_vector {
	struct str *items;
	size_t count;
};
void address_vector_free(struct address_vector *v);
void address_vector_add(struct address_vector *v, struct view address);

/*
 * Looks the address up and takes the value apart into addresses in standard form, the extension
 * put back on if `propagate`. 1 with at least one address added, 0, or a negative errno.
 */
int route_map_address(const struct routes *routes, const struct route_maps *maps,
		      struct view address, bool propagate, struct address_vector *results,
		      struct trail *why);

/* A word stands in a list parameter ("envelope_sender, header_sender"). */
bool route_list_has(const char *list, const char *word);

#endif
