/* The text of a next hop: names, ports, lists, brackets. No name is looked up here. */
#include "destination.h"

#include <errno.h>

#include "base/mem.h"
#include "mail/address.h"

int port_parse(struct view text, uint16_t *port)
{
	static const struct {
		const char *name;
		uint16_t port;
	} services[] = {
		{ "smtp", 25 },	  { "submission", 587 }, { "submissions", 465 },
		{ "smtps", 465 }, { "lmtp", 24 },
	};
	uint32_t number;

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		if (view_is_nocase(text, services[i].name)) {
			*port = services[i].port;
			return 0;
		}
	}
	if (view_parse_u32(text, 65535, &number) < 0 || number == 0)
		return -EINVAL;
	*port = (uint16_t)number;
	return 0;
}

/* "[host]" or "[host]:port"; `element` begins with the bracket. */
static int parse_bracketed(struct view element, struct view *host, struct view *port)
{
	size_t end = view_find_byte(element, ']');

	if (end == VIEW_NOT_FOUND)
		return -EINVAL;
	*host = view_make(element.data + 1, end - 1);
	element = view_from(element, end + 1);
	if (element.len == 0)
		return 0;
	if (element.data[0] != ':')
		return -EINVAL;
	*port = view_from(element, 1);
	return 0;
}

static int parse_host(struct view element, uint16_t usual_port, struct destination *d)
{
	struct view host = element, port = VIEW_NONE;

	d->port = usual_port;
	d->own_port = true;
	if (element.len > 0 && element.data[0] == '[') {
		if (parse_bracketed(element, &host, &port) < 0)
			return -EINVAL;
		if (view_starts_nocase(host, VIEW("ipv6:")))
			host = view_from(host, 5);
	} else {
		size_t colon = view_find_byte(element, ':');

		if (ip_family(element) == 6) {
			colon = VIEW_NOT_FOUND;
		} else if (colon != VIEW_NOT_FOUND) {
			host = view_first(element, colon);
			port = view_from(element, colon + 1);
		}
		d->use_mx = ip_family(host) == 0;
	}
	if (port.data != NULL) {
		if (port_parse(port, &d->port) < 0)
			return -EINVAL;
		d->own_port = d->port == usual_port;
	}
	if (host.len == 0 || (ip_family(host) == 0 && !domain_is_valid(host, true)))
		return -EINVAL;
	str_append_lower(&d->host, host);
	return 0;
}

static int parse_one(struct view element, bool lmtp, uint16_t usual_port, struct destination *d)
{
	str_append(&d->text, element);
	if (lmtp && view_starts(element, VIEW("unix:"))) {
		struct view path = view_from(element, 5);

		d->is_path = true;
		str_append(&d->host, path);
		return path.len > 0 && !view_has_control(path) ? 0 : -EINVAL;
	}
	if (lmtp && view_starts(element, VIEW("inet:")))
		element = view_from(element, 5);
	if (parse_host(element, usual_port, d) < 0)
		return -EINVAL;
	if (lmtp)
		d->use_mx = false;
	return 0;
}

static void drop_from(struct destinations *list, size_t count)
{
	while (list->count > count) {
		struct destination *d = &list->items[--list->count];

		str_free(&d->text);
		str_free(&d->host);
	}
}

int destinations_parse(struct view text, bool lmtp, uint16_t usual_port, struct destinations *list,
		       struct error *err)
{
	struct view rest = text, element;
	size_t before = list->count;

	while (view_next_word(&rest, ", \t\r\n", &element)) {
		if (list->count == DESTINATIONS_MAX) {
			drop_from(list, before);
			return error_set(err, -EINVAL, "more than %d next hops", DESTINATIONS_MAX);
		}

		struct destination *d = &list->items[list->count++];

		*d = (struct destination){ 0 };
		if (parse_one(element, lmtp, usual_port, d) < 0) {
			drop_from(list, before);
			return error_set(err, -EINVAL, "invalid next hop %.*s", VIEW_ARG(element));
		}
	}
	if (list->count == before)
		return error_set(err, -EINVAL, "no next hop");
	return 0;
}

void destinations_free(struct destinations *list)
{
	drop_from(list, 0);
}
