/*
 * Whether somebody can be reached at an address: by its route, and for an address of ours by the maps
 * of its class.
 */
#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/outcome.h"
#include "mail/srs.h"
#include "route/internal.h"

static int in_maps(const struct routes *routes, const struct route_maps *maps, struct view address,
		   bool no_domain, struct trail *why)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	const struct address_query query = {
		.routes = routes,
		.maps = maps,
		.address = address,
		.no_domain = no_domain,
		.why = why,
	};

	return route_find_address(&query, &value, NULL);
}

/* The recipient tables of one class. `first` alone, or `second` too. */
static int in_class_maps(const struct routes *routes, struct view address,
			 enum address_class address_class, struct trail *why)
{
	const struct route_maps *first = NULL, *second = NULL;

	switch (address_class) {
	case CLASS_LOCAL:
		first = &routes->local_recipients;
		break;
	case CLASS_VIRTUAL_ALIAS:
		trail_add(why, "virtual_alias_maps: %.*s is not there", VIEW_ARG(address));
		return 0; /* has been looked for */
	case CLASS_VIRTUAL_MAILBOX:
		first = &routes->virtual_mailbox;
		second = &routes->mailbox_users;
		break;
	case CLASS_RELAY:
		first = &routes->relay_recipients;
		break;
	case CLASS_DEFAULT:
		return 1;
	}
	if (first->count == 0 && (second == NULL || second->count == 0)) {
		trail_add(why, "%s is empty: every recipient is taken", first->parameter);
		return 1;
	}

	int r = in_maps(routes, first, address, false, why);

	if (r == 0 && second != NULL)
		r = in_maps(routes, second, address, true, why);
	if (r == 0)
		trail_add(why, "%s%s%s: %.*s is not there", first->parameter,
			  second != NULL ? ", " : "", second != NULL ? second->parameter : "",
			  VIEW_ARG(address));
	return r;
}

/* Names that every host has: what mail for them needs is not asked at the door. */
static bool is_required_name(struct view address)
{
	static const char *const names[] = { "postmaster", "double-bounce", "mailer-daemon" };
	struct view local, domain;

	address_split(address, &local, &domain);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (view_is_nocase(local, names[i]))
			return true;
	return route_is_probe_sender(address, clock_wall());
}

static const char *unknown_text(enum address_class address_class)
{
	if (!param.show_user_unknown_table_name)
		return "User unknown";
	switch (address_class) {
	case CLASS_LOCAL:
		return "User unknown in local recipient table";
	case CLASS_VIRTUAL_ALIAS:
		return "User unknown in virtual alias table";
	case CLASS_VIRTUAL_MAILBOX:
		return "User unknown in virtual mailbox table";
	case CLASS_RELAY:
		return "User unknown in relay recipient table";
	case CLASS_DEFAULT:
		break;
	}
	return "User unknown";
}

void unreachable_free(struct unreachable *why_not)
{
	str_free(&why_not->status);
	str_free(&why_not->text);
}

/* Another address takes its place: what becomes of that one is asked when it does. */
static int is_rewritten(const struct routes *routes, struct view address, struct trail *why)
{
	const struct route_maps *rewriting[] = { &routes->recipient_canonical, &routes->canonical,
						 &routes->virtual_alias };

	for (size_t i = 0; i < ARRAY_SIZE(rewriting); i++) {
		int r = in_maps(routes, rewriting[i], address, false, why);

		if (r != 0)
			return r;
	}
	return 0;
}

/* The transports that say by themselves that nothing is delivered. */
static bool route_is_dead(const struct route *route, struct unreachable *why_not)
{
	bool later = view_is(str_view(&route->transport), "retry");
	struct view text = str_view(&route->nexthop), status = VIEW_NONE;

	if (!later && !view_is(str_view(&route->transport), "error"))
		return false;
	why_not->by_route = true;
	why_not->later = later;
	outcome_status_take(&text, later ? '4' : '5', &status);
	str_set(&why_not->status, status);
	str_set(&why_not->text, text);
	return true;
}

int route_recipient_exists(const struct routes *routes, struct view sender, struct view address,
			   struct unreachable *why_not, struct trail *why)
{
	struct route route = { 0 };
	int r = route_resolve(routes, sender, address, &route, why);

	*why_not = (struct unreachable){ .address_class = route.address_class };
	if (r == 0)
		r = srs_is_at(address, view_of(param.srs_domain))
			    ? 1
			    : is_rewritten(routes, address, why);
	if (r == 0 && !route_is_dead(&route, why_not)) {
		r = 1;
		if (route.address_class != CLASS_LOCAL || !is_required_name(address))
			r = in_class_maps(routes, address, route.address_class, why);
		if (r == 0)
			str_set(&why_not->text, view_of(unknown_text(route.address_class)));
	}
	route_free(&route);
	return r;
}
