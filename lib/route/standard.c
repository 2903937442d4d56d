/*
 * Addresses in standard form: source routes, percent signs, missing domains. It knows syntax and
 * our own names, not tables.
 */
#include "route/internal.h"

#include "conf/conf.h"
#include "mail/address.h"

/*
 * What comes after the colon of "@a,@b:user@host". The part before it must look like a list of
 * domains, or a quoted local part with such bytes would be taken for one.
 */
static struct view without_source_route(struct view address)
{
	size_t colon;

	if (address.len == 0 || address.data[0] != '@')
		return address;
	colon = view_find_byte(address, ':');
	if (colon == VIEW_NOT_FOUND || colon + 1 == address.len)
		return address;
	for (size_t i = 0; i < colon; i++) {
		char c = address.data[i];

		if (!ascii_is_alnum(c) && strchr("@,.-_", c) == NULL && (unsigned char)c < 128)
			return address;
	}
	return view_from(address, colon + 1);
}

/* An address without '@': site!user, user%domain, or just user. Appends the form with '@'. */
static void address_complete(struct view address, struct str *out)
{
	size_t bang, percent;

	while (param.swap_bangpath && address.len > 0 && address.data[0] == '!')
		address = view_from(address, 1); /* no site in front of it */
	bang = param.swap_bangpath ? view_find_byte(address, '!') : VIEW_NOT_FOUND;
	percent = param.allow_percent_hack ? view_find_last_byte(address, '%') : VIEW_NOT_FOUND;
	if (bang != VIEW_NOT_FOUND && bang > 0) {
		str_append(out, view_from(address, bang + 1));
		str_append_byte(out, '@');
		str_append(out, view_first(address, bang));
	} else if (percent != VIEW_NOT_FOUND) {
		str_append(out, view_first(address, percent));
		str_append_byte(out, '@');
		str_append(out, view_from(address, percent + 1));
	} else {
		str_append(out, address);
		if (param.append_at_myorigin) {
			str_append_byte(out, '@');
			str_append_cstr(out, param.myorigin);
		}
	}
}

/* Case is kept, as Postfix does: whoever compares or looks up folds. */
static void finish_domain(struct view domain, struct str *out)
{
	bool literal = domain.len > 0 && domain.data[0] == '[';

	if (domain.len > 1 && view_ends(domain, VIEW(".")) && !view_ends(domain, VIEW("..")))
		domain = view_first(domain, domain.len - 1);
	str_append(out, domain);
	if (param.append_dot_mydomain && domain.len > 0 && !literal &&
	    view_find_byte(domain, '.') == VIEW_NOT_FOUND) {
		str_append_byte(out, '.');
		str_append(out, view_of(param.mydomain));
	}
}

int route_canonical_form(const struct routes *routes, struct view address, struct str *out)
{
	_cleanup_(str_free) struct str whole = STR_EMPTY, result = STR_EMPTY;
	size_t at;

	(void)routes;
	address = without_source_route(address);
	if (address.len == 0 || view_is(address, "@")) {
		str_clear(out);
		return 0;
	}
	if (view_find_byte(address, '@') == VIEW_NOT_FOUND)
		address_complete(address, &whole);
	else
		str_append(&whole, address);
	at = view_find_last_byte(str_view(&whole), '@');
	if (at == VIEW_NOT_FOUND) {
		str_append(&result, str_view(&whole));
	} else {
		str_append(&result, view_first(str_view(&whole), at + 1));
		finish_domain(view_from(str_view(&whole), at + 1), &result);
	}
	str_set(out, str_view(&result)); /* only now: `address` may be a view of it */
	return 0;
}
