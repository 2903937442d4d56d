/*
 * Which key signs for whom, as OpenDKIM's files say it:
 *
 *	KeyTable	name	domain:selector:/path/to/key.pem	"%" is the author's domain
 *	SigningTable	*@example.org	name[:identity]			of refile:, patterns in order
 *			example.org	name				of file:, see below
 *
 * In a file: table the author's address is looked up as user@host, host, user@.parent, .parent (for
 * each domain above), user@*, *. The rows of the first pattern that matches count, all of them: so
 * one domain has several keys. A table is "refile:/path", "file:/path" or "/path".
 */
#ifndef MAILAUTH_SIGNING_TABLE_H
#define MAILAUTH_SIGNING_TABLE_H

#include "base/error.h"
#include "base/str.h"

#define SIGNING_TABLE_MAX ((size_t)4 * 1024 * 1024) /* bytes of a file */
#define SIGNING_KEYS_MAX  4			    /* signatures of one message */

struct key_row {
	char *name, *domain, *selector, *path;
};
struct key_table {
	struct key_row *rows;
	size_t count;
};
/* Empty source: no rows. 0, or a negative errno with file and line. */
int key_table_read(const char *source, struct key_table *table, struct error *err);
void key_table_free(struct key_table *table);
const struct key_row *key_table_find(const struct key_table *table, struct view name);

struct signing_row {
	char *pattern, *key, *identity; /* identity: NULL where there is none */
};
struct signing_table {
	struct signing_row *rows;
	size_t count;
	bool has_patterns; /* refile: */
};
int signing_table_read(const char *source, struct signing_table *table, struct error *err);
void signing_table_free(struct signing_table *table);
/* The rows for that author, SIGNING_KEYS_MAX at most; how many. */
size_t signing_table_find(const struct signing_table *table, struct view address,
			  const struct signing_row *rows[SIGNING_KEYS_MAX]);
/* The path of a table's file. */
const char *signing_table_path(const char *source);

#endif
