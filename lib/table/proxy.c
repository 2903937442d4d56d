/* socketmap: and tcp:, tables that are other people's servers. The program proxymap asks them. */
#include <errno.h>

#include "base/mem.h"
#include "services/clients.h"
#include "table/internal.h"
#include "table/server.h"

bool table_is_server(struct view specification)
{
	return view_starts(specification, VIEW("socketmap:")) ||
	       view_starts(specification, VIEW("tcp:"));
}

static int tcp_parse(struct view name, struct table_server *server, struct error *err)
{
	size_t colon = view_find_last_byte(name, ':');

	server->protocol = TABLE_SERVER_TCP;
	server->endpoint = name;
	if (colon != VIEW_NOT_FOUND && colon > 0 && colon + 1 < name.len)
		return 0;
	return error_set(err, -EINVAL, "expected tcp:host:port");
}

int table_server_parse(struct view specification, struct table_server *server, struct error *err)
{
	struct view name = view_from(specification, view_find_byte(specification, ':') + 1);
	size_t colon = view_find_last_byte(name, ':');

	*server = (struct table_server){ .protocol = TABLE_SERVER_SOCKETMAP };
	if (view_starts(specification, VIEW("tcp:")))
		return tcp_parse(name, server, err);
	if (view_starts(specification, VIEW("socketmap:")) && colon != VIEW_NOT_FOUND &&
	    (view_starts(name, VIEW("unix:")) || view_starts(name, VIEW("inet:"))) &&
	    colon > strlen("unix:")) {
		server->endpoint = view_first(name, colon);
		server->map = view_from(name, colon + 1);
		if (server->map.len > 0 && server->map.len <= TABLE_SERVER_MAP_MAX &&
		    view_find_byte(server->map, ' ') == VIEW_NOT_FOUND)
			return 0;
	}
	return error_set(err, -EINVAL,
			 "expected socketmap:inet:host:port:name or socketmap:unix:path:name");
}

static int proxy_open(struct table *table, struct view name, struct error *err)
{
	struct table_server server;

	(void)name;
	return table_server_parse(view_of(table->specification), &server, err);
}

static int proxy_lookup(struct table *table, struct view key, struct str *value, struct error *err)
{
	return proxymap_ask(view_of(table->specification), key, value, err);
}

static void proxy_close(struct table *table)
{
	(void)table;
}

const struct table_type table_type_socketmap = {
	.name = "socketmap",
	.whole = true,
	.open = proxy_open,
	.lookup = proxy_lookup,
	.close = proxy_close,
};

const struct table_type table_type_tcp = {
	.name = "tcp",
	.whole = true,
	.open = proxy_open,
	.lookup = proxy_lookup,
	.close = proxy_close,
};
