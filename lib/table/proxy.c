/*
 * Tables that are other people's servers: socketmap:, tcp:, memcache:, and databases and directories. The
 * program proxymap asks them.
 */
#include <errno.h>

#include "base/mem.h"
#include "services/clients.h"
#include "table/internal.h"
#include "table/server.h"

bool table_is_server(struct view specification)
{
	return view_starts(specification, VIEW("socketmap:")) ||
	       view_starts(specification, VIEW("tcp:")) || table_is_memcache(specification) ||
	       table_is_database(specification);
}

bool table_is_memcache(struct view specification)
{
	return view_starts(specification, VIEW("memcache:"));
}

bool table_is_database(struct view specification)
{
	static const char *const types[] = { "mysql:", "pgsql:",	  "sqlite:",
					     "ldap:",  "dovecot-passdb:", "dovecot-userdb:" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (view_starts(specification, view_of(types[i])))
			return true;
	return false;
}

bool table_has_passwords(struct view specification)
{
	return view_starts(specification, VIEW("dovecot-passdb:"));
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

/* Its settings are proxymap's to read. */
static int database_open(struct table *table, struct view name, struct error *err)
{
	(void)table;
	return name.len > 0 ? 0 : error_set(err, -EINVAL, "expected a file's path after the type");
}

/* Databases compare as they like, so that the key is always the same. */
static int database_lookup(struct table *table, struct view key, struct str *value,
			   struct error *err)
{
	_cleanup_(str_free) struct str folded = STR_EMPTY;

	if (table->flags & TABLE_CASE_SENSITIVE)
		return proxymap_ask(view_of(table->specification), key, value, err);
	str_append_lower(&folded, key);
	return proxymap_ask(view_of(table->specification), str_view(&folded), value, err);
}

/* With who asks: for other keys the table may have another answer. */
static int dovecot_lookup(struct table *table, struct view key, struct str *value,
			  struct error *err)
{
	_cleanup_(str_free) struct str question = STR_EMPTY;

	if (view_has_control(key))
		return 0;
	str_append_lower(&question, key);
	str_append_byte(&question, TABLE_ASKER_MARK);
	if (table->asker.len > 0)
		str_append(&question, table->asker);
	else
		str_append_cstr(&question, TABLE_ASKER_DEFAULT);
	return proxymap_ask(view_of(table->specification), str_view(&question), value, err);
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

const struct table_type table_type_mysql = {
	.name = "mysql",
	.open = database_open,
	.lookup = database_lookup,
	.close = proxy_close,
};

const struct table_type table_type_pgsql = {
	.name = "pgsql",
	.open = database_open,
	.lookup = database_lookup,
	.close = proxy_close,
};

const struct table_type table_type_sqlite = {
	.name = "sqlite",
	.open = database_open,
	.lookup = database_lookup,
	.close = proxy_close,
};

const struct table_type table_type_ldap = {
	.name = "ldap",
	.open = database_open,
	.lookup = database_lookup,
	.close = proxy_close,
};

const struct table_type table_type_memcache = {
	.name = "memcache",
	.open = database_open,
	.lookup = database_lookup,
	.close = proxy_close,
};

const struct table_type table_type_dovecot_passdb = {
	.name = "dovecot-passdb",
	.whole = true,
	.open = database_open,
	.lookup = dovecot_lookup,
	.close = proxy_close,
};

const struct table_type table_type_dovecot_userdb = {
	.name = "dovecot-userdb",
	.whole = true,
	.open = database_open,
	.lookup = dovecot_lookup,
	.close = proxy_close,
};
