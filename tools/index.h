/* What posta map and posta alias have in common: making, asking and editing indexes. */
#ifndef TOOLS_INDEX_H
#define TOOLS_INDEX_H

#include <sys/types.h>

#include "table/table.h"

enum { INDEX_TABLES_MAX = 100 };

struct index_job {
	const char *verb;
	enum table_source source;
	int flags; /* of table_open */
	bool quiet_duplicates, replace, json;
	bool files; /* values are names of files, and in the index their content in base64 */
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
/*
 * index_files.c: the text of the table with the files' content in the place of their names, and the mode
 * that its index is to have.
 */
int index_read_files(const char *path, struct str *out, mode_t *mode);
/* What is in base64; else as it is. */
void index_decode_value(struct view value, struct str *out);
int index_list(const struct index_job *job, char *const *specifications);

/*
 * index_command.c: the whole of map and alias. `by_default` is what is done when nothing is named;
 * NULL: that is a mistake. A tool_status.
 */
typedef int index_default(const struct index_job *job);
int index_command(struct index_job *job, const char *help, index_default *by_default, int argc,
		  char **argv);

#endif
