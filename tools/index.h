/* What posta map and posta alias have in common: making, asking and editing indexes. */
#ifndef TOOLS_INDEX_H
#define TOOLS_INDEX_H

#include "table/table.h"

enum { INDEX_TABLES_MAX = 100 };

struct index_job {
	const char *verb;
	enum table_source source;
	int flags; /* of table_open */
	bool quiet_duplicates, replace, json;
};

/*
 * "hash:path" in its parts; `type` has `size` bytes. Without a type it is default_database_type,
 * for which main.cf is read. False, with a message, if that fails.
 */
bool index_split(const char *specification, char *type, size_t size, const char **path);
/* All return an exit status. */
int index_build(const struct index_job *job, const char *specification);
/* The value from the first table that has the key; "-": keys from standard input. */
int index_query(const struct index_job *job, char *const *specifications, const char *key);
int index_delete(const struct index_job *job, char *const *specifications, const char *key);
/* Adds entries from standard input. */
int index_add(const struct index_job *job, const char *specification);
int index_list(const struct index_job *job, char *const *specifications);

#endif
