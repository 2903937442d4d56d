/*
 * The keys that sign an instance's mail, as two files in CONFDIR/dkim that OpenDKIM could read as well:
 *
 *	keys	KeyTable: the keys in use; comments tell of those that wait for their record ("# pending")
 *		and of those whose time is over ("# retired DATE")
 *	signing	SigningTable: "*@domain name" for each key in use
 */
#ifndef TOOLS_DKIM_KEYS_H
#define TOOLS_DKIM_KEYS_H

#include "base/error.h"
#include "mailauth/dkim.h"

enum dkim_state { DKIM_PENDING, DKIM_ACTIVE, DKIM_RETIRED };
struct dkim_entry {
	enum dkim_state state;
	char *name, *domain, *selector, *path;
	char date[11]; /* of DKIM_RETIRED: since when */
};
struct dkim_keys {
	struct dkim_entry *entries;
	size_t count;
	struct str others; /* lines of the key table that are none of these */
};
/* No file: no keys. 0 or a negative errno with a reason. */
int dkim_keys_read(struct dkim_keys *keys, struct error *err);
void dkim_keys_free(struct dkim_keys *keys);
/* Makes a key and its file; it waits for its record. */
int dkim_keys_make(struct dkim_keys *keys, struct view domain, struct view selector,
		   enum signature_algorithm algorithm, struct error *err);
/* Writes both files. */
int dkim_keys_write(const struct dkim_keys *keys, struct error *err);
/* The private half. NULL with a reason. */
struct private_key *dkim_entry_key(const struct dkim_entry *entry, struct error *err);
/* "SELECTOR._domainkey.DOMAIN" */
void dkim_entry_owner(const struct dkim_entry *entry, struct str *out);
/* What main.cf is to name. */
void dkim_keys_sources(struct str *key_table, struct str *signing_table);

#endif
