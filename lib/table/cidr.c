/* cidr:/path: "192.0.2.0/24 value", "!192.0.2.0/24 value", "if network" ... "endif". */
#include <stdlib.h>

#include "base/mem.h"
#include "table/internal.h"

static void *compile_network(struct view *rest, size_t *groups, struct error *err)
{
	struct network *network = mem_new(struct network);
	size_t len = 0;

	while (len < rest->len && !ascii_is_space(rest->data[len]))
		len++;
	*groups = 0;
	if (network_parse(view_first(*rest, len), network, err) < 0) {
		free(network);
		return NULL;
	}
	*rest = view_from(*rest, len);
	return network;
}

static int match_network(void *compiled, const char *subject, size_t len, struct view *groups)
{
	struct network address;

	(void)groups;
	return network_parse_address(view_make(subject, len), &address) &&
	       network_contains(compiled, &address);
}

static const struct pattern_type networks = {
	.compile = compile_network,
	.match = match_network,
	.free = free,
};

static int open_cidr(struct table *table, struct view name, struct error *err)
{
	return patterns_open(table, name, &networks, err);
}

const struct table_type table_type_cidr = {
	.name = "cidr",
	.whole = true,
	.open = open_cidr,
	.lookup = patterns_lookup,
	.close = patterns_close,
};
