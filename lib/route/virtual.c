/*
 * Expanding virtual aliases to a bounded list of addresses. Circles and floods are errors and no
 * endless loop.
 */
#include "route/internal.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"

void address_vector_free(struct address_vector *v)
{
	for (size_t i = 0; i < v->count; i++)
		str_free(&v->items[i]);
	free(v->items);
	*v = (struct address_vector){ 0 };
}

void address_vector_add(struct address_vector *v, struct view address)
{
	array_grow(v->items, v->count);
	v->items[v->count] = STR_EMPTY;
	str_set(&v->items[v->count++], address);
}

/* ---- the value of a table as addresses ---- */

struct value_reader {
	const struct routes *routes;
	struct view extension; /* to be put on each, or empty */
	struct address_vector *results;
	bool too_many;
};

static int virtual_take_address(void *argument, const struct header_address *found)
{
	struct value_reader *reader = argument;
	_cleanup_(str_free) struct str address = STR_EMPTY;

	if (found->group_start || found->group_end || found->local.len == 0)
		return 0;
	if (reader->results->count >= (size_t)param.virtual_alias_expansion_limit) {
		reader->too_many = true;
		return 1;
	}
	str_append(&address, found->local);
	str_append(&address, reader->extension);
	if (found->domain.len > 0) {
		str_append_byte(&address, '@');
		str_append(&address, found->domain);
	}
	route_canonical_form(reader->routes, str_view(&address), &address);
	address_vector_add(reader->results, str_view(&address));
	return 0;
}

/* "@otherdomain" as a value: the same user in another domain. Never with an extension twice. */
static void put_user_before(struct view address, struct view extension, struct view value,
			    struct str *out)
{
	struct view local, domain;

	address_split(address, &local, &domain);
	local = view_first(local, local.len - MIN(extension.len, local.len));
	/* Quoted: what follows parses it again. */
	_cleanup_(str_free) struct str whole = STR_EMPTY;

	str_append(&whole, local);
	str_append(&whole, value);
	address_quote(out, str_view(&whole));
}

int route_map_address(const struct routes *routes, const struct route_maps *maps,
		      struct view address, bool propagate, struct address_vector *results,
		      struct trail *why)
{
	_cleanup_(str_free) struct str value = STR_EMPTY, extension = STR_EMPTY, text = STR_EMPTY;
	const struct address_query query = {
		.routes = routes,
		.maps = maps,
		.address = address,
		.why = why,
	};
	size_t before = results->count;
	int r = route_find_address(&query, &value, &extension);

	if (r <= 0)
		return r;

	struct view list = view_trim(str_view(&value));
	struct value_reader reader = {
		.routes = routes,
		.extension = propagate ? str_view(&extension) : VIEW_NONE,
		.results = results,
	};

	if (list.len > 0 && list.data[0] == '@') {
		put_user_before(address, str_view(&extension), list, &text);
		list = str_view(&text);
	}
	address_list_parse_all(list, virtual_take_address, &reader);
	if (reader.too_many) {
		log_warning("%s: %.*s becomes more than %lld addresses", maps->parameter,
			    VIEW_ARG(address), (long long)param.virtual_alias_expansion_limit);
		return -E2BIG;
	}
	if (results->count == before) {
		log_warning("%s: the value for %.*s is no address", maps->parameter,
			    VIEW_ARG(address));
		return -EBADMSG;
	}
	return 1;
}

/* ---- virtual aliases ---- */

struct expansion {
	const struct routes *routes;
	struct address_vector list; /* grows while it is walked */
	struct map *finished;	    /* addresses that became themselves: not to be mapped again */
	bool propagate;
	struct trail *why;
};

static void fold(struct view address, struct str *key)
{
	str_clear(key);
	str_append_lower(key, address);
}

/* Replaces an item by the first of its results, and adds the others at the end. */
static int take_results(struct expansion *x, size_t which, struct address_vector *results)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;

	for (size_t i = 0; i < results->count; i++) {
		struct view result = str_view(&results->items[i]);

		if (result.len > (size_t)param.virtual_alias_address_length_limit) {
			log_warning("virtual_alias_maps: %.*s... is longer than "
				    "virtual_alias_address_length_limit",
				    VIEW_ARG(view_first(result, 100)));
			return -ELOOP;
		}
		/* An address may become itself once: "a: a, b" keeps a copy at a. */
		if (view_eq_nocase(result, str_view(&x->list.items[which]))) {
			fold(result, &key);
			map_put(x->finished, str_view(&key), x);
		}
	}
	for (size_t i = 1; i < results->count; i++)
		address_vector_add(&x->list, str_view(&results->items[i]));
	str_set(&x->list.items[which], str_view(&results->items[0]));
	return 0;
}

/* One step: 1 the item was mapped, 0 it is final, or a negative errno. */
static int expand_once(struct expansion *x, size_t which)
{
	_cleanup_(address_vector_free) struct address_vector results = { 0 };
	_cleanup_(str_free) struct str key = STR_EMPTY;
	int r;

	fold(str_view(&x->list.items[which]), &key);
	if (map_get(x->finished, str_view(&key)) != NULL)
		return 0;
	r = route_map_address(x->routes, &x->routes->virtual_alias, str_view(&x->list.items[which]),
			      x->propagate, &results, x->why);
	if (r <= 0)
		return r;
	r = take_results(x, which, &results);
	return r < 0 ? r : 1;
}

static int expand_all(struct expansion *x)
{
	for (size_t i = 0; i < x->list.count; i++) {
		for (int64_t steps = 0;; steps++) {
			int r;

			if (steps > param.virtual_alias_recursion_limit) {
				log_warning("virtual_alias_maps: aliases without end at %.*s",
					    VIEW_ARG(str_view(&x->list.items[i])));
				return -ELOOP;
			}
			r = expand_once(x, i);
			if (r < 0)
				return r;
			if (r == 0)
				break;
			if (x->list.count > (size_t)param.virtual_alias_expansion_limit) {
				log_warning("virtual_alias_maps: more than "
					    "virtual_alias_expansion_limit recipients");
				return -E2BIG;
			}
		}
	}
	return 0;
}

int route_expand_virtual(const struct routes *routes, struct view address,
			 int (*each)(void *argument, struct view recipient), void *argument,
			 struct trail *why)
{
	struct expansion x = {
		.routes = routes,
		.propagate = route_list_has(param.propagate_unmatched_extensions, "virtual"),
		.why = why,
	};
	int r;

	if (routes->virtual_alias.count == 0)
		return each(argument, address);
	x.finished = map_new();
	address_vector_add(&x.list, address);
	r = expand_all(&x);
	for (size_t i = 0; r == 0 && i < x.list.count; i++)
		r = each(argument, str_view(&x.list.items[i]));
	address_vector_free(&x.list);
	map_free(x.finished);
	return r;
}
