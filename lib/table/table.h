/*
 * Look-up tables: "type:name" as in main.cf. Keys and values are text.
 *
 *	struct table *t = table_open(view_of("hash:/etc/aliases"), 0, &err);
 *	r = table_lookup(t, key, &value, &err);		1 found, 0 not, negative: ask again later
 *
 * Types: hash, btree (Berkeley DB files as postmap makes them), lmdb, cdb, texthash, inline, static,
 * cidr, regexp, pcre, unionmap, pipemap, randmap, unix:passwd.byname, unix:group.byname, fail. A table that
 * is another server (socketmap, tcp, mysql, pgsql, sqlite, ldap), and the system's users (unix),
 * are asked by the program proxymap, with "proxy:" in front or without; before other types "proxy:" means nothing. Indexed types fold the key to lower case
 * (Postfix's DICT_FLAG_FOLD_FIX) unless TABLE_CASE_SENSITIVE.
 *
 * Tables are opened before a program is confined. A changed table is noticed by
 * table_any_changed(), without opening anything: the program then finishes its work and is
 * replaced by a new one (lib/daemon does that), or reopens them if it is not confined.
 */
#ifndef TABLE_TABLE_H
#define TABLE_TABLE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

#define TABLE_KEY_MAX	4096
#define TABLE_VALUE_MAX 65536

#define TABLE_LONG_KEY_MAX (1 << 20)
enum {
	TABLE_CASE_SENSITIVE = 1,
	TABLE_LONG_KEYS = 2 /* up to TABLE_LONG_KEY_MAX: lines of mail, not names */
};

struct table;

struct table *table_open(struct view specification, int flags, struct error *err);
void table_close(struct table *table);
const char *table_name(const struct table *table); /* "hash:/etc/aliases" */
/* The key is never taken apart: the table is one of patterns, or another server. */
bool table_wants_whole_key(const struct table *table);
/*
 * 1 with the value appended to *value (cleared first); 0 not found; negative errno: failed.
 *
 * A wait, like all that look up through it: another program may be asked, and other tasks run
 * meanwhile. What callers know of shared state is to be read again after it; no look-up inside a
 * walk over such state. Tables that are closed meanwhile are freed when the look-up is over.
 */
int table_lookup(struct table *table, struct view key, struct str *value, struct error *err);

/* A list of tables, asked in turn: "hash:a, inline:{ x=y }". An empty list finds nothing. */
struct tables;
struct tables *tables_open(const char *list, int flags, struct error *err);
void tables_close(struct tables *tables);
int tables_lookup(struct tables *tables, struct view key, struct str *value, struct error *err);
/* Some table of the list is there: not all of them are made of files that nobody has compiled yet. */
bool tables_are_made(const char *list);
bool tables_are_empty(const struct tables *tables);
/* Name of the table that answered last, for explanations. */
const char *tables_answered(const struct tables *tables);

/*
 * Match lists: names, /file, type:table, !pattern; in domain lists ".domain" matches subdomains
 * (and "domain" too where parent_domain_matches_subdomains says so, `parents`); in address lists
 * 10.0.0.0/8, [2001:db8::]/32.
 */
struct matchlist;
enum matchlist_kind { MATCH_DOMAINS, MATCH_ADDRESSES, MATCH_STRINGS };
struct matchlist *matchlist_open(const char *list, enum matchlist_kind kind, bool parents,
				 struct error *err);
void matchlist_close(struct matchlist *list);
/* 1 matches, 0 not, negative errno: a table failed. *by (may be NULL) names the pattern. */
int matchlist_match(struct matchlist *list, struct view subject, const char **by);

/*
 * "10.0.0.0/8, [2001:db8::]/32" has the address. What is no network in the list has none, and the
 * list may be a stranger's: no file or table is opened.
 */
bool networks_have(struct view list, struct view address);

/*
 * Some open table's file was replaced or changed since it was opened, as of TABLE_LOOK_PAUSE
 * milliseconds ago or later. What builds and edits tables waits for longer than that at its end: the
 * change is at work everywhere when the tool returns.
 */
#define TABLE_LOOK_PAUSE 10
bool table_any_changed(void);
/*
 * A descriptor that becomes readable when the file of a table that is open now, or a watched one,
 * may have changed (inotify), so that nobody need look now and then. -ENODATA: there are no files;
 * another negative errno: this system cannot tell. Before the program is confined; the caller's to close.
 */
int table_notify_fd(void);
/*
 * Beside the tables: files (each a list of paths, or NULL) of which the program must know when they
 * are replaced, over symbolic links too.
 */
int table_watch_files(const char *const *lists, size_t count, struct error *err);

/* ---- building (postmap, postalias, posta user) ---- */

enum table_source {
	SOURCE_MAP /* key white space value */,
	SOURCE_ALIASES /* aliases(5) */,
	SOURCE_USERS /* passwd-file: the whole line under its first field */
};
/*
 * Compiles the text file `path` into its index ("path.db", "path.lmdb") beside it: built aside,
 * made durable, renamed. Bad lines are named in *report and left out; but with one in a users'
 * file, nothing is replaced (-EINVAL).
 */
int table_build(const char *type, const char *path, enum table_source source, struct str *report);
/*
 * The same of a text that is no file: `path` is only what the index is named after, and `mode` is
 * that of a new one.
 */
int table_build_text(const char *type, const char *path, struct view text, mode_t mode,
		     enum table_source source, struct str *report);
/* Edits an index in place of a rebuild (postmap -i, -d, -r): copied aside, changed, renamed. */
int table_edit(const char *type, const char *path, const struct view *keys,
	       const struct view *values /* NULL: delete */, size_t count, bool replace,
	       struct error *err);
/* Calls `row` for each entry (postmap -s); stops when it returns non-zero. */
int table_dump(const char *specification,
	       int (*row)(void *argument, struct view key, struct view value), void *argument,
	       struct error *err);
/* ".db": what the file of a type that has an index has after its name; NULL: it has none. */
const char *table_index_suffix(struct view type);
/* Type names for postconf -m, NULL-terminated. */
const char *const *table_types(void);

#endif
