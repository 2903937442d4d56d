/*
 * The tables that routing needs, opened together and closed together. No question is answered
 * here.
 */
#include "route/internal.h"

#include <stddef.h>

#include "base/mem.h"
#include "conf/conf.h"

/* Which parameter opens which member of struct routes. */
static const struct {
	const char *parameter;
	const char *const *list;
	size_t offset;
} map_members[] = {
#define MAPS(parameter, member)                                                                    \
	{                                                                                          \
#parameter, &param.parameter, offsetof(struct routes, member)                      \
	}
	MAPS(local_recipient_maps, local_recipients),
	MAPS(relay_recipient_maps, relay_recipients),
	MAPS(virtual_alias_maps, virtual_alias),
	MAPS(virtual_mailbox_maps, virtual_mailbox),
	MAPS(mailbox_users, mailbox_users),
	MAPS(transport_maps, transport),
	MAPS(sender_dependent_relayhost_maps, sender_relayhost),
	MAPS(sender_dependent_default_transport_maps, sender_transport),
	MAPS(relocated_maps, relocated),
	MAPS(canonical_maps, canonical),
	MAPS(sender_canonical_maps, sender_canonical),
	MAPS(recipient_canonical_maps, recipient_canonical),
	MAPS(sender_bcc_maps, sender_bcc),
	MAPS(recipient_bcc_maps, recipient_bcc),
#undef MAPS
};

/* What holds for probes in the place of those above. */
static const struct {
	const char *parameter;
	const char *const *list;
	size_t offset;
} probe_members[] = {
#define MAPS(parameter, member)                                                                    \
	{                                                                                          \
#parameter, &param.parameter, offsetof(struct routes, member)                      \
	}
	MAPS(address_verify_transport_maps, transport),
	MAPS(address_verify_sender_dependent_relayhost_maps, sender_relayhost),
	MAPS(address_verify_sender_dependent_default_transport_maps, sender_transport),
#undef MAPS
};

static struct route_maps *maps_member(struct routes *routes, size_t which)
{
	return (struct route_maps *)(void *)((char *)routes + map_members[which].offset);
}

static int route_open_lists(struct routes *routes, struct error *err)
{
	const struct {
		const char *parameter, *list;
		enum matchlist_kind kind;
		bool parents;
		struct matchlist **member;
	} lists[] = {
		{ "mydestination", param.mydestination, MATCH_STRINGS, false,
		  &routes->mydestination },
		{ "virtual_alias_domains", param.virtual_alias_domains, MATCH_STRINGS, false,
		  &routes->virtual_alias_domains },
		{ "virtual_mailbox_domains", param.virtual_mailbox_domains, MATCH_STRINGS, false,
		  &routes->virtual_mailbox_domains },
		{ "relay_domains", param.relay_domains, MATCH_DOMAINS,
		  route_list_has(param.parent_domain_matches_subdomains, "relay_domains"),
		  &routes->relay_domains },
		{ "masquerade_exceptions", param.masquerade_exceptions, MATCH_STRINGS, false,
		  &routes->masquerade_exceptions },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		*lists[i].member =
			matchlist_open(lists[i].list, lists[i].kind, lists[i].parents, err);
		if (*lists[i].member == NULL) {
			error_prefix(err, "%s", lists[i].parameter);
			return -EINVAL;
		}
	}
	return 0;
}

static void routes_name_transports(struct routes *routes, bool probes)
{
	routes->local_transport =
		probes ? param.address_verify_local_transport : param.local_transport;
	routes->virtual_transport =
		probes ? param.address_verify_virtual_transport : param.virtual_transport;
	routes->relay_transport =
		probes ? param.address_verify_relay_transport : param.relay_transport;
	routes->default_transport =
		probes ? param.address_verify_default_transport : param.default_transport;
	routes->relayhost = probes ? param.address_verify_relayhost : param.relayhost;
}

struct routes *routes_open_probes(struct error *err)
{
	struct routes *routes = routes_open(err);

	if (routes == NULL)
		return NULL;
	routes_name_transports(routes, true);
	for (size_t i = 0; i < ARRAY_SIZE(probe_members); i++) {
		struct route_maps *maps =
			(struct route_maps *)(void *)((char *)routes + probe_members[i].offset);

		route_maps_close(maps);
		*maps = (struct route_maps){ .count = 0 };
		if (route_maps_open(maps, probe_members[i].parameter, *probe_members[i].list, err) <
		    0) {
			routes_close(routes);
			return NULL;
		}
	}
	return routes;
}

struct routes *routes_open(struct error *err)
{
	struct routes *routes = mem_new(struct routes);

	routes_name_transports(routes, false);

	routes->transport_parents =
		route_list_has(param.parent_domain_matches_subdomains, "transport_maps");
	for (size_t i = 0; i < ARRAY_SIZE(map_members); i++)
		if (route_maps_open(maps_member(routes, i), map_members[i].parameter,
				    *map_members[i].list, err) < 0)
			goto failed;
	if (route_open_lists(routes, err) < 0)
		goto failed;
	routes->own = own_addresses_load(err);
	if (routes->own == NULL)
		goto failed;
	return routes;
failed:
	routes_close(routes);
	return NULL;
}

void routes_close(struct routes *routes)
{
	if (routes == NULL)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(map_members); i++)
		route_maps_close(maps_member(routes, i));
	matchlist_close(routes->mydestination);
	matchlist_close(routes->virtual_alias_domains);
	matchlist_close(routes->virtual_mailbox_domains);
	matchlist_close(routes->relay_domains);
	matchlist_close(routes->masquerade_exceptions);
	own_addresses_free(routes->own);
	free(routes);
}

void route_free(struct route *route)
{
	str_free(&route->transport);
	str_free(&route->nexthop);
	str_free(&route->address);
}

bool route_list_has(const char *list, const char *word)
{
	struct view rest = view_of(list), element;

	while (conf_next_element(&rest, &element))
		if (view_is(element, word))
			return true;
	return false;
}
