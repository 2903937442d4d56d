/*
 * A parameter of tables of addresses that is not for routing, asked as those of routing are: with and
 * without extension, by user alone where the domain is local, by domain.
 */
#include "route/internal.h"

#include "conf/conf.h"

/* Of the routes only what says which domains are local. */
struct address_map {
	struct routes routes;
	struct route_maps maps;
};

struct address_map *address_map_open(const char *parameter, const char *list, struct error *err)
{
	struct address_map *map = mem_new(struct address_map);

	map->routes.mydestination = matchlist_open(param.mydestination, MATCH_STRINGS, false, err);
	map->routes.own = own_addresses_load(err);
	if (map->routes.mydestination == NULL || map->routes.own == NULL ||
	    route_maps_open(&map->maps, parameter, list, err) < 0) {
		address_map_close(map);
		return NULL;
	}
	return map;
}

void address_map_close(struct address_map *map)
{
	if (map == NULL)
		return;
	route_maps_close(&map->maps);
	matchlist_close(map->routes.mydestination);
	own_addresses_free(map->routes.own);
	free(map);
}

int address_map_find(const struct address_map *map, struct view address, struct str *out)
{
	_cleanup_(address_vector_free) struct address_vector found = { 0 };
	bool propagate = route_list_has(param.propagate_unmatched_extensions, "generic");
	int r = route_map_address(&map->routes, &map->maps, address, propagate, &found, NULL);

	if (r > 0)
		str_set(out, str_view(&found.items[0]));
	return r;
}
