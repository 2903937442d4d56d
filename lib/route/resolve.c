/* From an address to transport, next hop and recipient. What exists is asked elsewhere. */
#include "route/internal.h"

#include "base/log.h"
#include "conf/conf.h"
#include "ipc/ipc.h"
#include "mail/address.h"

static bool has_operator(struct view local)
{
	return view_find_byte(local, '@') != VIEW_NOT_FOUND ||
	       (param.swap_bangpath && view_find_byte(local, '!') != VIEW_NOT_FOUND) ||
	       (param.allow_percent_hack && view_find_byte(local, '%') != VIEW_NOT_FOUND);
}

/*
 * Takes local domains off the end as long as the address asks to be sent on after them:
 * user%other@ours is user@other. Whether a stranger may ask for that was decided before
 * (route_is_authorized_destination). 1: what is left is local, 0: it is not.
 */
static int strip_local_domains(const struct routes *routes, struct str *address)
{
	_cleanup_(str_free) struct str saved = STR_EMPTY;
	size_t turns = address->len + 16; /* each turn takes a domain or an operator off */

	for (;;) {
		struct view text = str_view(address);
		size_t at = view_find_last_byte(text, '@');

		if (turns-- == 0)
			return -ELOOP;
		if (at != VIEW_NOT_FOUND && at + 1 == text.len) { /* "user@" */
			str_truncate(address, at);
			if (view_find_byte(str_view(address), '@') != VIEW_NOT_FOUND)
				continue;
		} else if (at != VIEW_NOT_FOUND) {
			int r = route_domain_is_local(routes, view_from(text, at + 1), NULL);

			if (r <= 0)
				return r;
			str_set(&saved, view_from(text, at + 1));
			str_truncate(address, at);
		}
		if (address->len > 0 && has_operator(str_view(address))) {
			route_canonical_form(routes, str_view(address), address);
			continue;
		}
		break;
	}
	if (address->len == 0)
		str_append_cstr(address, param.empty_address_recipient);
	str_append_byte(address, '@');
	if (saved.len > 0)
		str_append(address, str_view(&saved));
	else
		str_append_cstr(address, param.myhostname);
	return 1;
}

/* "transport:nexthop" over what is there; an empty piece leaves it. */
static void set_transport(struct route *route, struct view value)
{
	size_t colon = view_find_byte(value, ':');

	str_set(&route->transport,
		view_trim(colon == VIEW_NOT_FOUND ? value : view_first(value, colon)));
	if (colon != VIEW_NOT_FOUND && colon + 1 < value.len)
		str_set(&route->nexthop, view_trim(view_from(value, colon + 1)));
}

static void set_error(struct route *route, const char *reason)
{
	str_set(&route->transport, VIEW("error"));
	str_set(&route->nexthop, view_of(reason));
}

static int find_by_sender(const struct routes *routes, const struct route_maps *maps,
			  struct view sender, const char *null_key, struct str *value,
			  struct trail *why)
{
	const struct address_query query = {
		.routes = routes,
		.maps = maps,
		.address = sender.len > 0 ? sender : view_of(null_key),
		.why = why,
	};

	return route_find_address(&query, value, NULL);
}

/* Next hop for mail that leaves this system: relayhost or the domain itself. */
static int set_offsite_nexthop(const struct routes *routes, struct view sender, struct view domain,
			       struct route *route, struct trail *why)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	int r = find_by_sender(routes, &routes->sender_relayhost, sender,
			       param.empty_address_relayhost_maps_lookup_key, &value, why);

	if (r < 0)
		return r;
	/* DUNNO here means the domain itself, whatever relayhost says. */
	if (r > 0 && !view_is_nocase(str_view(&value), "DUNNO")) {
		str_set(&route->nexthop, str_view(&value));
	} else if (r == 0 && *routes->relayhost != '\0') {
		str_set(&route->nexthop, view_of(routes->relayhost));
		trail_add(why, "relayhost: next hop %s", routes->relayhost);
	} else {
		str_set(&route->nexthop, domain);
	}
	return 0;
}

static int set_class_transport(const struct routes *routes, struct view sender, struct view domain,
			       struct route *route, struct trail *why)
{
	_cleanup_(str_free) struct str by_sender = STR_EMPTY;
	int r;

	switch (route->address_class) {
	case CLASS_LOCAL:
		str_set(&route->nexthop, domain);
		set_transport(route, view_of(routes->local_transport));
		trail_add(why, "local_transport: %s", routes->local_transport);
		return 0;
	case CLASS_VIRTUAL_ALIAS:
		set_error(route, param.show_user_unknown_table_name
					 ? "5.1.1 User unknown in virtual alias table"
					 : "5.1.1 User unknown");
		trail_add(why, "no virtual alias for it, and the domain has nothing else");
		return 0;
	case CLASS_VIRTUAL_MAILBOX:
		str_set(&route->nexthop, domain);
		set_transport(route, view_of(routes->virtual_transport));
		trail_add(why, "virtual_transport: %s", routes->virtual_transport);
		return 0;
	case CLASS_RELAY:
		r = set_offsite_nexthop(routes, sender, domain, route, why);
		set_transport(route, view_of(routes->relay_transport));
		trail_add(why, "relay_transport: %s", routes->relay_transport);
		return r;
	case CLASS_DEFAULT:
		break;
	}
	r = set_offsite_nexthop(routes, sender, domain, route, why);
	if (r < 0)
		return r;
	r = find_by_sender(routes, &routes->sender_transport, sender,
			   param.empty_address_default_transport_maps_lookup_key, &by_sender, why);
	if (r < 0)
		return r;
	if (r > 0 && !view_is_nocase(str_view(&by_sender), "DUNNO")) {
		set_transport(route, str_view(&by_sender));
	} else {
		set_transport(route, view_of(routes->default_transport));
		trail_add(why, "default_transport: %s", routes->default_transport);
	}
	return 0;
}

static void apply_transport_entry(struct view value, struct view domain, struct route *route)
{
	size_t colon = view_find_byte(value, ':');
	struct view transport =
		view_trim(colon == VIEW_NOT_FOUND ? value : view_first(value, colon));
	struct view nexthop =
		colon == VIEW_NOT_FOUND ? VIEW_NONE : view_trim(view_from(value, colon + 1));

	if (transport.len > 0) {
		str_set(&route->transport, transport);
		if (nexthop.len == 0)
			nexthop = view_is(transport, "error") || view_is(transport, "retry")
					  ? VIEW("Address is undeliverable")
					  : domain;
	}
	if (nexthop.len > 0)
		str_set(&route->nexthop, nexthop);
}

static int try_transport(const struct routes *routes, struct view key, enum route_key kind,
			 struct view domain, struct route *route, struct trail *why)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	const char *by = NULL;
	int r = route_maps_find(&routes->transport, key, kind, &value, &by);

	if (r > 0) {
		trail_add(why, "transport_maps (%s): %.*s -> %.*s", by, VIEW_ARG(key),
			  VIEW_ARG(str_view(&value)));
		apply_transport_entry(str_view(&value), domain, route);
	}
	return r;
}

/* user+ext@domain, user@domain, domain, .parent ..., "*". */
static int apply_transport_maps(const struct routes *routes, struct view address,
				struct view domain, struct route *route, struct trail *why)
{
	struct view local, ignored, user, extension, name = domain;
	int r;

	if (routes->transport.count == 0)
		return 0;
	address_split(address, &local, &ignored);
	r = try_transport(routes, address, KEY_WHOLE, domain, route, why);
	if (r == 0 && *param.recipient_delimiter != '\0' &&
	    address_split_extension(local, param.recipient_delimiter, &user, &extension)) {
		_cleanup_(str_free) struct str key = STR_EMPTY;

		str_append(&key, user);
		str_append_byte(&key, '@');
		str_append(&key, domain);
		r = try_transport(routes, str_view(&key), KEY_PART, domain, route, why);
	}
	while (r == 0 && name.len > 0) {
		size_t dot;

		r = try_transport(routes, name, KEY_PART, domain, route, why);
		dot = view_find_byte(view_from(name, 1), '.');
		if (dot == VIEW_NOT_FOUND)
			break;
		name = view_from(name, 1 + dot + (routes->transport_parents ? 1 : 0));
	}
	if (r == 0)
		r = try_transport(routes, VIEW("*"), KEY_PART, domain, route, why);
	return r;
}

static int apply_relocated(const struct routes *routes, struct route *route, struct trail *why)
{
	_cleanup_(str_free) struct str value = STR_EMPTY;
	const struct address_query query = {
		.routes = routes,
		.maps = &routes->relocated,
		.address = str_view(&route->address),
		.why = why,
	};
	int r = route_find_address(&query, &value, NULL);

	if (r > 0) {
		_cleanup_(str_free) struct str reason = STR_EMPTY;

		str_printf(&reason, "5.1.6 User has moved to %.*s", VIEW_ARG(str_view(&value)));
		set_error(route, str_cstr(&reason));
	}
	return r;
}

/* Delivery agents hand addresses to commands, which may take such a one for an option. */
static bool begins_like_option(struct view local)
{
	return !param.allow_min_user && view_starts(local, VIEW("-"));
}

/* False: the route is an error. */
static bool route_check_syntax(struct view local, struct view domain, struct route *route,
			       struct trail *why)
{
	_cleanup_(str_free) struct str literal = STR_EMPTY;

	if (begins_like_option(local))
		trail_add(why, "%.*s begins with \"-\" (allow_min_user)", VIEW_ARG(local));
	else if ((route->address_class == CLASS_RELAY || route->address_class == CLASS_DEFAULT) &&
		 !domain_is_valid(domain, true) && !domain_is_literal(domain, &literal))
		trail_add(why, "%.*s is not a domain", VIEW_ARG(domain));
	else
		return true;
	set_error(route, "5.1.3 Bad recipient address syntax");
	return false;
}

int route_resolve(const struct routes *routes, struct view sender, struct view address,
		  struct route *route, struct trail *why)
{
	struct view local, domain;
	int r;

	*route = (struct route){ .address_class = CLASS_DEFAULT };
	str_set(&route->address, address);
	r = strip_local_domains(routes, &route->address);
	if (r < 0)
		return r;
	address_split(str_view(&route->address), &local, &domain);
	r = route_class(routes, domain, why);
	if (r < 0)
		return r;
	route->address_class = (enum address_class)r;
	if (!route_check_syntax(local, domain, route, why))
		return 0;
	r = set_class_transport(routes, sender, domain, route, why);
	if (r < 0)
		return r;
	if (route->address_class != CLASS_VIRTUAL_ALIAS) {
		r = apply_transport_maps(routes, str_view(&route->address), domain, route, why);
		if (r < 0)
			return r;
	}
	r = apply_relocated(routes, route, why);
	if (r < 0)
		return r;
	trail_add(why, "%.*s goes to %.*s:%.*s", VIEW_ARG(str_view(&route->address)),
		  VIEW_ARG(str_view(&route->transport)), VIEW_ARG(str_view(&route->nexthop)));
	return 0;
}

bool route_filter_is_valid(struct view filter)
{
	size_t colon = view_find_byte(filter, ':');

	return colon != VIEW_NOT_FOUND && colon > 0 && colon <= IPC_NAME_MAX &&
	       filter.len <= IPC_HOST_MAX && !view_has_control(filter) &&
	       view_find_byte(view_first(filter, colon), ' ') == VIEW_NOT_FOUND;
}

void route_to_filter(struct view filter, struct view address, struct route *route)
{
	struct view local, domain;

	address_split(address, &local, &domain);
	*route = (struct route){ .address_class = CLASS_DEFAULT };
	str_set(&route->address, address);
	str_set(&route->nexthop, *param.default_filter_nexthop != '\0'
					 ? view_of(param.default_filter_nexthop)
				 : domain.len > 0 ? domain
						  : view_of(param.myhostname));
	set_transport(route, filter);
	if (begins_like_option(local))
		set_error(route, "5.1.3 Bad recipient address syntax");
}
