/* Canonical maps and automatic copies. Aliases are expanded in virtual.c and by local. */
#include "route/internal.h"

#include "base/log.h"
#include "conf/conf.h"
#include "mail/address.h"

/* Steps of canonical mapping (a to b, b to c ...) that make sense; more is a loop. */
#define CANONICAL_STEPS_MAX 100

static const char *rewrite_kind_name(enum canonical_kind kind)
{
	switch (kind) {
	case CANONICAL_ENVELOPE_SENDER:
		return "envelope_sender";
	case CANONICAL_ENVELOPE_RECIPIENT:
		return "envelope_recipient";
	case CANONICAL_HEADER_SENDER:
		return "header_sender";
	case CANONICAL_HEADER_RECIPIENT:
		return "header_recipient";
	}
	return "";
}

/* Maps one address to one, until nothing maps it or it stays as it is. */
static int map_one(const struct routes *routes, const struct route_maps *maps, struct str *address)
{
	bool propagate = route_list_has(param.propagate_unmatched_extensions, "canonical");
	int changed = 0;

	if (maps->count == 0)
		return 0;
	for (int step = 0; step < CANONICAL_STEPS_MAX; step++) {
		_cleanup_(address_vector_free) struct address_vector results = { 0 };
		int r = route_map_address(routes, maps, str_view(address), propagate, &results,
					  NULL);

		if (r < 0)
			return r;
		if (r == 0)
			return changed;
		if (results.count > 1)
			log_warning("%s: several addresses for %.*s, the first is taken",
				    maps->parameter, VIEW_ARG(str_view(address)));

		bool same = view_eq_nocase(str_view(&results.items[0]), str_view(address));

		if (!view_eq(str_view(&results.items[0]), str_view(address)))
			changed = 1;
		str_set(address, str_view(&results.items[0]));
		if (same)
			return changed;
	}
	log_warning("%s: rewriting without end at %.*s", maps->parameter,
		    VIEW_ARG(str_view(address)));
	return -ELOOP;
}

/*
 * masquerade_domains, in turn: a name below one of them becomes it; "!domain" keeps what is in
 * that domain or below it. The first that fits decides.
 */
static struct view masquerade_as(struct view domain)
{
	struct view rest = view_of(param.masquerade_domains), element;

	while (conf_next_element(&rest, &element)) {
		bool keep = element.len > 0 && element.data[0] == '!';
		struct view name = view_from(element, keep ? 1 : 0);
		struct view before;

		if (view_eq_nocase(domain, name))
			return domain;
		if (domain.len <= name.len + 1 || !view_ends_nocase(domain, name))
			continue;
		before = view_first(domain, domain.len - name.len);
		if (before.data[before.len - 1] == '.')
			return keep ? domain : name;
	}
	return domain;
}

static int masquerade(const struct routes *routes, struct str *address)
{
	_cleanup_(str_free) struct str result = STR_EMPTY;
	struct view local, domain, new_domain;
	int r;

	address_split(str_view(address), &local, &domain);
	if (domain.len == 0)
		return 0;
	new_domain = masquerade_as(domain);
	if (view_eq_nocase(new_domain, domain))
		return 0;
	r = matchlist_match(routes->masquerade_exceptions, local, NULL);
	if (r != 0)
		return r < 0 ? r : 0;
	str_append(&result, local);
	str_append_byte(&result, '@');
	str_append(&result, new_domain);
	str_set(address, str_view(&result));
	return 1;
}

int route_map_canonical(const struct routes *routes, enum canonical_kind kind, struct str *address)
{
	const struct {
		const char *classes;
		const struct route_maps *maps;
	} steps[] = {
		{ param.sender_canonical_classes, &routes->sender_canonical },
		{ param.recipient_canonical_classes, &routes->recipient_canonical },
		{ param.canonical_classes, &routes->canonical },
	};
	int changed = 0;

	if (address->len == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		/* The senders' table is for senders alone, whatever its classes say. */
		bool sender = kind == CANONICAL_ENVELOPE_SENDER || kind == CANONICAL_HEADER_SENDER;
		int r;

		if ((i == 0 && !sender) || (i == 1 && sender) ||
		    !route_list_has(steps[i].classes, rewrite_kind_name(kind)))
			continue;
		r = map_one(routes, steps[i].maps, address);
		if (r < 0)
			return r;
		changed |= r;
	}
	if (*param.masquerade_domains != '\0' &&
	    route_list_has(param.masquerade_classes, rewrite_kind_name(kind))) {
		int r = masquerade(routes, address);

		if (r < 0)
			return r;
		changed |= r;
	}
	return changed;
}

static void add_bcc(struct address_vector *found, struct str *out)
{
	for (size_t i = 0; i < found->count; i++) {
		if (out->len > 0)
			str_append_byte(out, '\n');
		str_append(out, str_view(&found->items[i]));
	}
}

int route_bcc(const struct routes *routes, struct view sender, struct view recipient,
	      struct str *out)
{
	_cleanup_(address_vector_free) struct address_vector found = { 0 };
	int r;

	if (*param.always_bcc != '\0') {
		_cleanup_(str_free) struct str address = STR_EMPTY;

		route_canonical_form(routes, view_of(param.always_bcc), &address);
		address_vector_add(&found, str_view(&address));
	}
	if (sender.len > 0) {
		r = route_map_address(routes, &routes->sender_bcc, sender, false, &found, NULL);
		if (r < 0)
			return r;
	}
	if (recipient.len > 0) {
		r = route_map_address(routes, &routes->recipient_bcc, recipient, false, &found,
				      NULL);
		if (r < 0)
			return r;
	}
	add_bcc(&found, out);
	return found.count > 0;
}
