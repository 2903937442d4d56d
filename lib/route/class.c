/*
 * Which class a domain belongs to: local, virtual, relay, or the rest. It reads tables and decides
 * nothing else.
 */
#include "route/internal.h"

#include "base/log.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "mail/srs.h"

#define DOMAIN_KEY_MAX 1024 /* bytes of a domain that is worth a look-up */

static int match(struct matchlist *list, const char *parameter, struct view domain, const char **by)
{
	int r = matchlist_match(list, domain, by);

	if (r < 0)
		log_warning("%s: a table cannot answer now", parameter);
	return r;
}

int route_domain_is_local(const struct routes *routes, struct view domain, const char **by)
{
	_cleanup_(str_free) struct str key = STR_EMPTY, literal = STR_EMPTY;

	if (domain.len == 0 || domain.len > DOMAIN_KEY_MAX)
		return 0;
	str_append_lower(&key, domain);
	if (key.len > 1 && key.data[key.len - 1] == '.')
		str_truncate(&key, key.len - 1);

	int r = match(routes->mydestination, "mydestination", str_view(&key), by);

	if (r != 0)
		return r;
	if (domain_is_literal(str_view(&key), &literal) &&
	    own_addresses_match(routes->own, str_view(&literal))) {
		if (by != NULL)
			*by = "inet_interfaces, proxy_interfaces";
		return 1;
	}
	return 0;
}

int route_class(const struct routes *routes, struct view domain, struct trail *why)
{
	const struct {
		struct matchlist *list;
		const char *parameter;
		enum address_class address_class;
	} lists[] = {
		{ routes->virtual_alias_domains, "virtual_alias_domains", CLASS_VIRTUAL_ALIAS },
		{ routes->virtual_mailbox_domains, "virtual_mailbox_domains",
		  CLASS_VIRTUAL_MAILBOX },
		{ routes->relay_domains, "relay_domains", CLASS_RELAY },
	};
	_cleanup_(str_free) struct str key = STR_EMPTY;
	const char *by = NULL;
	int r = route_domain_is_local(routes, domain, &by);

	if (r < 0)
		return r;
	if (r > 0) {
		trail_add(why, "mydestination (%s): %.*s is local", by ? by : "", VIEW_ARG(domain));
		return CLASS_LOCAL;
	}
	if (domain.len > DOMAIN_KEY_MAX)
		return CLASS_DEFAULT;
	str_append_lower(&key, domain);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		r = match(lists[i].list, lists[i].parameter, str_view(&key), &by);
		if (r < 0)
			return r;
		if (r > 0) {
			trail_add(why, "%s (%s): %.*s is of class %s", lists[i].parameter,
				  by ? by : "", VIEW_ARG(domain),
				  address_class_name(lists[i].address_class));
			return (int)lists[i].address_class;
		}
	}
	trail_add(why, "%.*s is in no list of domains: class default", VIEW_ARG(domain));
	return CLASS_DEFAULT;
}

/* '@', '%' and '!' in a local part ask some host on the way to send the mail on. */
static bool has_routing(struct view local)
{
	return view_find_byte(local, '@') != VIEW_NOT_FOUND ||
	       view_find_byte(local, '%') != VIEW_NOT_FOUND ||
	       view_find_byte(local, '!') != VIEW_NOT_FOUND;
}

int route_is_authorized_destination(const struct routes *routes, struct view address,
				    struct trail *why)
{
	struct view local, domain;

	address_split(address, &local, &domain);
	/*
	 * Not only the operators that we would act on ourselves: the next hop of a relayed domain
	 * may act on the others, and we would be the open relay.
	 */
	if (!param.allow_untrusted_routing && has_routing(local)) {
		trail_add(why, "%.*s has routing left in it and allow_untrusted_routing = no",
			  VIEW_ARG(address));
		return 0;
	}
	if (srs_is_at(address, view_of(param.srs_domain))) {
		trail_add(why, "srs_domain: %.*s is a return path", VIEW_ARG(address));
		return 1;
	}
	if (domain.len == 0) /* "user" is ours if it is that, "user@" is nothing */
		return local.len > 0 && local.len == address.len;

	int r = route_class(routes, domain, why);

	if (r < 0)
		return r;
	return r != CLASS_DEFAULT;
}
