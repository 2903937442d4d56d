/*
 * The one answer to "where does this go?": address rewriting, address classes, virtual aliases,
 * transport and next hop, and whether a recipient exists. smtpd asks it at RCPT TO, cleanup when
 * it rewrites and expands, qmgr when it schedules, `posta explain` for people.
 *
 * Pure functions of the tables that routes_open() opened and the parameters. Return values:
 * 0 or a count, or a negative errno when a table cannot answer now (say 451, try again later).
 * `why` (NULL allowed) collects one line for each deciding parameter or table row.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

struct routes;

/* Opens the tables of all routing parameters; before the chroot. */
struct routes *routes_open(struct error *err);
/* The same for probes of verify: address_verify_transport_maps and its kin. */
struct routes *routes_open_probes(struct error *err);
void routes_close(struct routes *routes);

struct trail {
	struct str
		lines; /* "transport_maps (hash:/etc/posta/transport): example.org -> smtp:[mx]" */
};
void trail_add(struct trail *trail, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum address_class {
	CLASS_LOCAL,
	CLASS_VIRTUAL_ALIAS,
	CLASS_VIRTUAL_MAILBOX,
	CLASS_RELAY,
	CLASS_DEFAULT
};
const char *address_class_name(enum address_class address_class);

/*
 * Standard form (internal form in and out): source routes, bang paths and percent hacks undone as
 * the parameters say, domain added where it lacks, trailing dot and case of the domain folded.
 */
int route_canonical_form(const struct routes *routes, struct view address, struct str *out);

struct route {
	enum address_class address_class;
	struct str transport; /* service in master.cf; "error": nexthop is "5.1.6 reason" */
	struct str nexthop;
	struct str address; /* to be used in the delivery */
};
void route_free(struct route *route);
/* Where mail for this recipient (standard form) goes. `sender` for the sender-dependent tables. */
int route_resolve(const struct routes *routes, struct view sender, struct view address,
		  struct route *route, struct trail *why);
/* "transport:" or "transport:nexthop", of lengths that a queue file takes. */
bool route_filter_is_valid(struct view filter);
/* The way to a content filter, "transport:nexthop", which all addresses go before any other. */
void route_to_filter(struct view filter, struct view address, struct route *route);
/* Class of a domain alone (or of an address literal). Negative errno. */
int route_class(const struct routes *routes, struct view domain, struct trail *why);
/* Why mail for an address would reach nobody. */
struct unreachable {
	enum address_class address_class;
	bool by_route;	   /* its transport is error: or retry:, or the user has moved */
	bool later;	   /* retry: */
	struct str status; /* "5.1.6", where the route has one */
	struct str text;   /* "User unknown in local recipient table" */
};
void unreachable_free(struct unreachable *why_not);
/*
 * What routing knows without a delivery: 1: the suite knows this recipient (or cannot know: relay
 * without a map); 0: nobody is there, and *why_not says why (unreachable_free it in each case).
 */
int route_recipient_exists(const struct routes *routes, struct view sender, struct view address,
			   struct unreachable *why_not, struct trail *why);

/*
 * Would we relay to it at all? 1 when the recipient's domain is one of ours (local, virtual,
 * relay), 0 when only trusted clients may send there. Addresses with routing left in them
 * ("a%b@us", "a@b"@us, a!b@us) are not ours unless allow_untrusted_routing.
 */
int route_is_authorized_destination(const struct routes *routes, struct view address,
				    struct trail *why);

/*
 * One parameter of tables of addresses that is not for routing (smtp_generic_maps), asked as the
 * others are. Opened before the chroot.
 */
struct address_map;
struct address_map *address_map_open(const char *parameter, const char *list, struct error *err);
void address_map_close(struct address_map *map);
/* 1 with the (first) address that it becomes, in standard form; 0; or a negative errno. */
int address_map_find(const struct address_map *map, struct view address, struct str *out);

/*
 * Probes' sender, address_verify_sender, as it is at this time (seconds); empty: the null sender. With
 * address_verify_sender_ttl it has a number in it that changes.
 */
void route_probe_sender(int64_t now, struct str *out);
/*
 * Is that our own name for what nobody reads, double_bounce_sender, or a probes' sender of now or a
 * little before or after? `address` in standard form.
 */
bool route_is_probe_sender(struct view address, int64_t now);

enum canonical_kind {
	CANONICAL_ENVELOPE_SENDER,
	CANONICAL_ENVELOPE_RECIPIENT,
	CANONICAL_HEADER_SENDER,
	CANONICAL_HEADER_RECIPIENT
};
/* sender_/recipient_/canonical_maps and masquerading; 1 changed, 0 not. `address` in and out. */
int route_map_canonical(const struct routes *routes, enum canonical_kind kind, struct str *address);
/*
 * Virtual aliases, recursively, bounded by virtual_alias_expansion_limit and _recursion_limit
 * (-ELOOP, -E2BIG). Calls `each` for every final recipient, the address itself if nothing maps.
 */
int route_expand_virtual(const struct routes *routes, struct view address,
			 int (*each)(void *argument, struct view recipient), void *argument,
			 struct trail *why);
/*
 * always_bcc, and sender_bcc_maps and recipient_bcc_maps for those of the two that are not empty:
 * appends the addresses (standard form) to *out, '\n' between them. 1, 0, or a negative errno.
 */
int route_bcc(const struct routes *routes, struct view sender, struct view recipient,
	      struct str *out);

#endif
