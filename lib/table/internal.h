/* Inside of lib/table: what a type of table has to offer, and the pieces that types share. */
#ifndef TABLE_INTERNAL_H
#define TABLE_INTERNAL_H

#include <sys/stat.h>

#include "base/list.h"
#include "table/table.h"

enum {
	TABLE_NEST_MAX = 5,		  /* tables within tables */
	TABLE_LIST_MAX = 1000,		  /* tables or patterns in a list */
	TABLE_TEXT_MAX = 512 << 20,	  /* bytes of a text file */
	TABLE_ENTRIES_MAX = 20 * 1000000, /* lines of a text file */
};

typedef int table_row(void *argument, struct view key, struct view value);

struct table_type {
	const char *name;
	bool whole; /* table_wants_whole_key() */
	bool folds; /* keys are folded to lower case before `lookup` sees them */
	/* `name` is what stands after "type:". The file's descriptor goes to table_watch(). */
	int (*open)(struct table *table, struct view name, struct error *err);
	/* Appends to *value. */
	int (*lookup)(struct table *table, struct view key, struct str *value, struct error *err);
	void (*close)(struct table *table);
	/* NULL where entries cannot be listed. */
	int (*dump)(struct table *table, table_row *row, void *argument, struct error *err);
};

struct table {
	const struct table_type *type;
	char *specification;
	int flags, depth;
	void *data;
	struct list link; /* among all that are open */
	/* The file, to notice a change: kept open, as a confined program cannot open it again. */
	int watched;
	struct stat seen;
	unsigned asked;	   /* look-ups that are being done */
	bool closed;	   /* to be freed after them */
	struct view asker; /* who asks; of the look-up that has begun last */
	struct str folded; /* the key of the look-up that is being done: of types that never wait */
};

/* As table_open, `depth` tables deep. */
struct table *table_open_nested(struct view specification, int flags, int depth, struct error *err);
/* As table_lookup; see tables_lookup_as. The lookup of a type has table->asker until it waits. */
int table_lookup_as(struct table *table, struct view key, struct view asker, struct str *value,
		    struct error *err);
/* Opens `path` and keeps it to notice changes. */
int table_watch(struct table *table, const char *path, struct error *err);

extern const struct table_type table_type_hash, table_type_btree, table_type_lmdb;
extern const struct table_type table_type_cdb, table_type_randmap;
extern const struct table_type table_type_texthash, table_type_inline, table_type_static;
extern const struct table_type table_type_fail, table_type_unix, table_type_unionmap;
extern const struct table_type table_type_pipemap, table_type_cidr, table_type_regexp;
extern const struct table_type table_type_pcre, table_type_socketmap, table_type_tcp;
extern const struct table_type table_type_memcache;
extern const struct table_type table_type_mysql, table_type_pgsql, table_type_sqlite;
extern const struct table_type table_type_ldap, table_type_dovecot_passdb,
	table_type_dovecot_userdb;

/* ---- text ---- */

/* One entry of a text file. False stops the reading. */
typedef bool source_entry(void *argument, int line, struct view key, struct view value);
/*
 * Reads text in the form of `source`; keys are folded to lower case with `fold`. Bad lines are
 * named in *report ("path, line 3: ..."); returns how many there were.
 */
size_t source_parse(struct view text, const char *path, enum table_source source, bool fold,
		    source_entry *entry, void *argument, struct str *report);

/* ---- networks ---- */

struct network {
	int family; /* AF_INET, AF_INET6 */
	unsigned prefix;
	uint8_t address[16];
};
/* "10.0.0.0/8", "[2001:db8::]/32", "::1", "[::1]/128". Bits after the prefix must be 0. */
int network_parse(struct view text, struct network *network, struct error *err);
/* An address without a prefix; IPv4 inside IPv6 becomes IPv4. False if it is none. */
bool network_parse_address(struct view text, struct network *address);
bool network_contains(const struct network *network, const struct network *address);

/* ---- tables of patterns: cidr, regexp, pcre ---- */

enum { PATTERN_NEST_MAX = 50, PATTERN_GROUPS_MAX = 99 };

struct pattern_type {
	/* Takes the pattern (with what belongs to it) off the front of *rest. NULL: *err. */
	void *(*compile)(struct view *rest, size_t *groups, struct error *err);
	/*
	 * 1 matches, 0 not, negative: failed. `groups` gets the parts of the subject that the
	 * groups of the pattern matched; group 0 is the whole.
	 */
	int (*match)(void *compiled, const char *subject, size_t len, struct view *groups);
	void (*free)(void *compiled);
};
int patterns_open(struct table *table, struct view name, const struct pattern_type *type,
		  struct error *err);
int patterns_lookup(struct table *table, struct view key, struct str *value, struct error *err);
void patterns_close(struct table *table);
/*
 * The delimiters and flags of regexp and pcre: "/pattern/flags". Gives pattern (NUL-terminated,
 * malloc'd; "\/" is "/") and flags.
 */
int pattern_split(struct view *rest, char **pattern, struct view *flags, struct error *err);

/* ---- writing ---- */

struct index_entry {
	struct view key, value; /* without the NUL at the end that both get */
};
/* What writes an index file. -EEXIST: a key stands twice (*at tells which). */
struct index_writer {
	const char *suffix;
	/* A new file `path` (which does not exist) with these entries. */
	int (*create)(const char *path, const struct index_entry *entries, size_t count,
		      mode_t mode, struct error *err);
	/*
	 * Changes an existing file; a value without data deletes. Returns how many entries
	 * changed; with `replace` false, -EEXIST at a key that is there.
	 */
	int (*edit)(const char *path, const struct index_entry *entries, size_t count, bool replace,
		    struct error *err);
};
extern const struct index_writer berkeley_hash_writer, berkeley_btree_writer, lmdb_writer;
extern const struct index_writer cdb_writer;

/* ---- what tells that a file is another one, or has other content ---- */

struct stat;
bool stat_has_changed(const struct stat *seen, const struct stat *now);
/* Has inotify tell of changes of an open file. 0 or a negative errno. */
int notify_add(int notify_fd, int watched_fd);
/* watched.c, for table_any_changed() and table_notify_fd(): how many there are, or an errno. */
bool watched_any_changed(void);
int watched_notify(int notify_fd);

#endif
