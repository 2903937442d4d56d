/*
 * posta check: aliases that lead back to themselves. In alias_maps a name means, at the end of such a
 * circle, a mailbox that often nobody has; in virtual_alias_maps mail for it is put off for ever.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "mail/address.h"
#include "table/table.h"
#include "table/tokens.h"
#include "tools/check.h"

#define ROWS_MAX     200000
#define PROBLEMS_MAX 20
#define DEPTH_MAX    1000 /* names one after the other; more are looked at as far as that */

enum colour { WHITE, UNDER_WAY, BLACK };

struct alias {
	char *name, *value;
	enum colour colour;
};
struct aliases {
	const char *parameter;
	bool is_virtual;
	struct map *by_name;
	struct alias **items;
	size_t count;
	int problems;
	struct alias *path[DEPTH_MAX]; /* the names that led here */
	size_t depth;
};

/* ---- what a name becomes ---- */

/* As it is looked up: small letters; of virtual aliases with a domain. */
static void alias_target(const struct aliases *a, struct view address, struct str *name)
{
	struct view local, domain;

	address_split(address, &local, &domain);
	str_append_lower(name, address);
	if (a->is_virtual && domain.len == 0)
		str_printf(name, "@%s", param.myorigin);
	else if (!a->is_virtual && domain.len > 0 &&
		 (view_eq_nocase(domain, view_of(param.myhostname)) ||
		  view_is_nocase(domain, "localhost")))
		str_truncate(name, local.len);
}

static void alias_visit(struct aliases *a, struct alias *alias);

static void alias_circle(struct aliases *a, const struct alias *back_to)
{
	_cleanup_(str_free) struct str way = STR_EMPTY;
	size_t at = a->depth;

	while (at > 0 && a->path[at - 1] != back_to)
		at--;
	/* "alice: alice, copy@x": her mailbox, and of virtual aliases the address itself. */
	if (at == a->depth && (a->is_virtual || getpwnam(back_to->name) != NULL))
		return;
	if (++a->problems > PROBLEMS_MAX)
		return;
	for (size_t i = at > 0 ? at - 1 : 0; i < a->depth; i++)
		str_printf(&way, "%s -> ", a->path[i]->name);
	check_error("%s: %s%s: an alias that leads back to itself%s", a->parameter, str_cstr(&way),
		    back_to->name, at == a->depth ? ", and no user has that name" : "");
}

static void alias_follow(struct aliases *a, struct view address)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct alias *next;

	alias_target(a, address, &name);
	next = map_get(a->by_name, str_view(&name));
	if (next == NULL)
		return;
	if (next->colour == UNDER_WAY)
		alias_circle(a, next);
	else if (next->colour == WHITE)
		alias_visit(a, next);
}

static void alias_visit(struct aliases *a, struct alias *alias)
{
	_cleanup_(str_free) struct str piece = STR_EMPTY;
	struct view rest = view_of(alias->value);
	struct error err = ERROR_NONE;
	enum token_kind kind;
	int r;

	if (a->depth == DEPTH_MAX)
		return;
	alias->colour = UNDER_WAY;
	a->path[a->depth++] = alias;
	while ((r = token_next(&rest, &piece, &kind, &err)) != 0) {
		if (r > 0 && kind == TOKEN_ADDRESS)
			alias_follow(a, str_view(&piece));
		else if (r < 0 && ++a->problems <= PROBLEMS_MAX)
			check_error("%s: %s: cannot be understood: %s", a->parameter, alias->name,
				    err.text);
	}
	a->depth--;
	alias->colour = BLACK;
}

/* ---- the tables ---- */

static int alias_take_row(void *argument, struct view key, struct view value)
{
	struct aliases *a = argument;
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct alias *alias;

	str_append_lower(&name, key);
	/* Of several tables the first counts. "@example.org" is everybody there. */
	if (map_get(a->by_name, str_view(&name)) != NULL || view_starts(key, VIEW("@")))
		return 0;
	if (a->is_virtual && view_find_byte(str_view(&name), '@') == VIEW_NOT_FOUND)
		str_printf(&name, "@%s", param.myorigin);
	alias = mem_new(struct alias);
	alias->name = mem_strndup(str_cstr(&name), name.len);
	alias->value = mem_strndup(value.len ? value.data : "", value.len);
	array_grow(a->items, a->count);
	a->items[a->count++] = alias;
	map_put(a->by_name, str_view(&name), alias);
	return a->count >= ROWS_MAX;
}

static void aliases_free(struct aliases *a)
{
	for (size_t i = 0; i < a->count; i++) {
		free(a->items[i]->name);
		free(a->items[i]->value);
		free(a->items[i]);
	}
	free(a->items);
	map_free(a->by_name);
	free(a);
}

static void check_aliases_of(const char *parameter, bool is_virtual)
{
	struct aliases *a = mem_new(struct aliases);
	struct view rest = view_of(conf_get(parameter)), element;

	a->parameter = parameter;
	a->is_virtual = is_virtual;
	a->by_name = map_new();
	while (conf_next_element(&rest, &element)) {
		_cleanup_free_ char *table = mem_strndup(element.data, element.len);
		struct error err = ERROR_NONE;

		/* What cannot be opened is told elsewhere; what cannot be listed, nobody can look through. */
		(void)table_dump(table, alias_take_row, a, &err);
	}
	for (size_t i = 0; i < a->count; i++)
		if (a->items[i]->colour == WHITE)
			alias_visit(a, a->items[i]);
	if (a->problems > PROBLEMS_MAX)
		check_error("%s: %d more like these", parameter, a->problems - PROBLEMS_MAX);
	aliases_free(a);
}

void check_aliases(void)
{
	check_aliases_of("alias_maps", false);
	check_aliases_of("virtual_alias_maps", true);
}
