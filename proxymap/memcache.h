/*
 * Tables of memcached (memcache_table(5)): a server that remembers what a slower table, its backup,
 * has said; or one that others fill. Settings are a file's, or main.cf's, as of databases.
 *
 * memcache_add() opens what the settings name, before the program is confined. A server that fails
 * is passed over where there is a backup; where there is none the key cannot be told.
 */
#ifndef PROXYMAP_MEMCACHE_H
#define PROXYMAP_MEMCACHE_H

#include "base/error.h"
#include "base/str.h"

#define MEMCACHE_KEY_MAX    250	    /* bytes, by its protocol */
#define MEMCACHE_TTL_MAX    2592000 /* seconds: what is more means a date */
#define MEMCACHE_TRIES_MAX  10
#define MEMCACHE_PAUSE_MAX  10 /* seconds */
#define MEMCACHE_TABLES_MAX 100

/* 0; a table that cannot be asked, and why, is known later. Negative: its files cannot be watched. */
int memcache_add(struct view table, struct error *err);

/* Asks; waits. 1 with the value appended, 0, or a negative errno with the reason. */
int memcache_ask(struct view table, struct view key, struct str *value, struct error *err);

#endif
