/*
 * Tables that are databases or directories: mysql:, pgsql:, sqlite:, ldap:. A question waits for one
 * of the table's connections, asks the first of its servers that answers, and has one deadline for
 * all of that (table_server_timeout). Servers that do not answer are left alone for a while.
 */
#ifndef PROXYMAP_DATABASE_H
#define PROXYMAP_DATABASE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

#define DATABASE_CONNECTIONS_MAX 8		 /* to the servers of one table */
#define DATABASE_IDLE_TIME	 ((msec_t)60000) /* an older connection is not used again */
#define DATABASE_HOSTS_MAX	 32		 /* of one table */
#define DATABASE_HOST_PENALTY	 ((msec_t)10000) /* a server that does not answer is left alone */
#define DATABASE_TABLES_MAX	 1000

/*
 * Reads the settings of a table and loads what its type needs. What is wrong with it is logged, and
 * said again to whoever asks it. Before the program is confined.
 */
void database_add(struct view table);
/* Paths of files that have been read, NULL at the end: a change of them replaces the program. */
const char *const *database_files(size_t *count);
bool databases_exist(void);
/* As server_ask(). The key is folded to lower case already where it has to be. */
int database_ask(struct view table, struct view key, struct str *value, struct error *err);
/* Whether the table's server takes the password. 1, 0, or a negative errno with a reason. Waits. */
int database_verify(struct view table, struct view key, struct view password, struct error *err);
void databases_close(void);

#endif
