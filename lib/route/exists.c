/* Whether somebody is known at an address of ours, by the maps of its class. */
#include "base/log.h"
#include "conf/conf.h"
#include "mail/address.h"
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
	return false;
}

int route_recipient_exists(const struct routes *routes, struct view address,
			   enum address_class address_class, struct trail *why)
{
	const struct route_maps *rewriting[] = { &routes->recipient_canonical, &routes->canonical,
						 &routes->virtual_alias };
	int r = in_maps(routes, &routes->relocated, address, false, why);

	if (r != 0)
		return r < 0 ? r : 0; /* refused at the door, rather than returned later */
	for (size_t i = 0; i < ARRAY_SIZE(rewriting); i++) {
		r = in_maps(routes, rewriting[i], address, false, why);
		if (r != 0)
			return r;
	}
	if (address_class == CLASS_LOCAL && is_required_name(address))
		return 1;
	return in_class_maps(routes, address, address_class, why);
}

const char *route_unknown_text(enum address_class address_class)
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
