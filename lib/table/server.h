/*
 * How tables that are other people's servers are named: "tcp:host:port" (tcp_table(5)),
 * "socketmap:inet:host:port:name", "socketmap:unix:path:name" (socketmap_table(5)).
 */
#ifndef TABLE_SERVER_H
#define TABLE_SERVER_H

#include <stdbool.h>

#include "base/error.h"
#include "base/view.h"

#define TABLE_SERVER_MAP_MAX 256

enum table_protocol { TABLE_SERVER_TCP, TABLE_SERVER_SOCKETMAP, TABLE_SERVER_MEMCACHE };

/* Views into the specification. */
struct table_server {
	enum table_protocol protocol;
	struct view endpoint; /* for service_endpoint_connect; without "inet:" for tcp */
	struct view map;      /* socketmap: the name in questions */
};

/* proxymap asks it: "socketmap:...", "mysql:..." and so on, without "proxy:". */
bool table_is_server(struct view specification);
/* One of those whose settings are a file's: mysql, pgsql, sqlite, ldap. */
bool table_is_database(struct view specification);
/* memcache, whose settings are a file's, too. */
bool table_is_memcache(struct view specification);
/* Of databases that one whose values are for auth alone. */
bool table_has_passwords(struct view specification);
/* 0, or -EINVAL with a reason. */
int table_server_parse(struct view specification, struct table_server *server, struct error *err);

#endif
