/*
 * How tables that are other people's servers are named: "tcp:host:port" (tcp_table(5)),
 * "socketmap:inet:host:port:name", "socketmap:unix:path:name" (socketmap_table(5)).
 */
#ifndef TABLE_SERVER_H
#define TABLE_SERVER_H

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

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
/*
 * What stands between a key and who asks, in questions to Dovecot's tables of users: "alice@example.test\001imap secured".
 * No key has it in it.
 */
#define TABLE_ASKER_MARK    '\001'
#define TABLE_ASKER_DEFAULT "lda" /* who delivers, and whoever else asks without logging in */
/* As tables_lookup, with the service that asks and "secured" after a blank: Dovecot's %s and %c. */
struct tables;
int tables_lookup_as(struct tables *tables, struct view key, struct view asker, struct str *value,
		     struct error *err);
/* 0, or -EINVAL with a reason. */
int table_server_parse(struct view specification, struct table_server *server, struct error *err);

#endif
