/*
 * Looking an address up in a list of tables, in Postfix's order of keys. A table that cannot be
 * asked is an error and no "not found".
 */
#include "route/internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"

int route_maps_open(struct route_maps *maps, const char *parameter, const char *list,
		    struct error *err)
{
	struct view rest = view_of(list), element;

	maps->parameter = parameter;
	while (conf_next_element(&rest, &element)) {
		struct table *table = table_open(element, 0, err);

		if (table == NULL) {
			error_prefix(err, "%s", parameter);
			return -EINVAL;
		}
		array_grow(maps->items, maps->count);
		maps->items[maps->count++] = (struct route_map){
			.table = table,
			.pattern = table_wants_whole_key(table),
		};
	}
	return 0;
}

void route_maps_close(struct route_maps *maps)
{
	for (size_t i = 0; i < maps->count; i++)
		table_close(maps->items[i].table);
	free(maps->items);
	maps->items = NULL;
	maps->count = 0;
}

int route_maps_find(const struct route_maps *maps, struct view key, enum route_key kind,
		    struct str *value, const char **by)
{
	if (key.len == 0 || key.len > TABLE_KEY_MAX)
		return 0;
	for (size_t i = 0; i < maps->count; i++) {
		struct error err = ERROR_NONE;
		int r;

		if (kind == KEY_PART && maps->items[i].pattern)
			continue;
		r = table_lookup(maps->items[i].table, key, value, &err);
		if (r < 0) {
			log_warning("%s: %s: %s", maps->parameter, table_name(maps->items[i].table),
				    err.text);
			return r;
		}
		if (r > 0) {
			if (by != NULL)
				*by = table_name(maps->items[i].table);
			return 1;
		}
	}
	return 0;
}

/* The keys of one address, made from its parts as they are needed. */
struct address_parts {
	struct view local, domain, user, extension; /* extension with its delimiter, or empty */
};

static void take_apart(struct view address, struct address_parts *parts)
{
	address_split(address, &parts->local, &parts->domain);
	parts->user = parts->local;
	parts->extension = VIEW_NONE;

	struct view user, extension;

	if (*param.recipient_delimiter != '\0' &&
	    address_split_extension(parts->local, param.recipient_delimiter, &user, &extension)) {
		parts->user = user;
		parts->extension = view_from(parts->local, user.len);
	}
}

static int maps_try_key(const struct address_query *q, struct view key, enum route_key kind,
			struct str *value)
{
	const char *by = NULL;
	int r = route_maps_find(q->maps, key, kind, value, &by);

	/* A user's row holds the password's hash, which is shown to nobody. */
	if (r > 0 && strcmp(q->maps->parameter, "mailbox_users") == 0)
		trail_add(q->why, "%s (%s): %.*s is there", q->maps->parameter, by, VIEW_ARG(key));
	else if (r > 0)
		trail_add(q->why, "%s (%s): %.*s -> %.*s", q->maps->parameter, by, VIEW_ARG(key),
			  VIEW_ARG(str_view(value)));
	return r;
}

/* Keys without a domain name local users only: those of $myorigin and of local domains. */
static int domain_may_be_left_out(const struct routes *routes, struct view domain)
{
	if (view_is_nocase(domain, param.myorigin))
		return 1;
	return route_domain_is_local(routes, domain, NULL);
}

static int try_without_domain(const struct address_query *q, const struct address_parts *parts,
			      struct str *value, struct view *cut)
{
	int r = domain_may_be_left_out(q->routes, parts->domain);

	if (r <= 0)
		return r;
	r = maps_try_key(q, parts->local, KEY_PART, value);
	if (r == 0 && parts->extension.len > 0) {
		r = maps_try_key(q, parts->user, KEY_PART, value);
		if (r > 0)
			*cut = parts->extension;
	}
	return r;
}

int route_find_address(const struct address_query *q, struct str *value, struct str *extension)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;
	struct address_parts parts;
	struct view cut = VIEW_NONE;
	int r;

	if (extension != NULL)
		str_clear(extension);
	if (q->maps->count == 0 || q->address.len == 0)
		return 0;
	take_apart(q->address, &parts);
	/* Tables have addresses as they are written: "a b"@example.org. */
	address_quote(&key, q->address);
	r = maps_try_key(q, str_view(&key), KEY_WHOLE, value);
	if (r == 0 && !view_eq(str_view(&key), q->address))
		r = maps_try_key(q, q->address, KEY_WHOLE, value);
	str_clear(&key);
	if (r == 0 && parts.extension.len > 0) {
		str_append(&key, parts.user);
		if (parts.domain.len > 0) {
			str_append_byte(&key, '@');
			str_append(&key, parts.domain);
		}
		r = maps_try_key(q, str_view(&key), KEY_PART, value);
		if (r > 0)
			cut = parts.extension;
	}
	if (r == 0 && parts.domain.len > 0)
		r = try_without_domain(q, &parts, value, &cut);
	if (r == 0 && parts.domain.len > 0 && !q->no_domain) {
		str_clear(&key);
		str_append_byte(&key, '@');
		str_append(&key, parts.domain);
		r = maps_try_key(q, str_view(&key), KEY_PART, value);
	}
	if (r > 0 && extension != NULL)
		str_set(extension, cut);
	return r;
}
