/*
 * Where a user's scripts are: in the folder sieve/ of the Maildir, which is no mailbox, for its name
 * has no dot in front. All is done as the user.
 *
 *	sieve/<name>.sieve	a script
 *	sieve/active		the name of the one that deliveries run; empty: none does
 *	posta-sieve/		what they remember, memory.h
 *
 * A name is UTF-8 of at most SCRIPT_NAME_MAX bytes, no "/", no control characters, no dot in front.
 * Links are not followed. Where sieve/active is not there, since nobody has chosen yet, Dovecot's
 * ~/.dovecot.sieve is read: a script that is only stored does not end what has run until then.
 *
 * Errors: -ENOENT, -EEXIST, -EINVAL (the name), -EFBIG, others of the system.
 */
#ifndef SIEVE_SCRIPTS_H
#define SIEVE_SCRIPTS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/str.h"

#define SCRIPT_NAME_MAX 200
#define SCRIPTS_MAX	10000 /* in a listing */

bool script_name_is_valid(struct view name);
/* The path of a script, appended. */
void script_path(const char *maildir, struct view name, struct str *path);

bool scripts_have(const char *maildir, struct view name);
/* The name of the active one, appended; -ENOENT: there is none. */
int scripts_active(const char *maildir, struct str *name);
/* None: an empty name, which is a choice too. That it exists is checked. */
int scripts_activate(const char *maildir, struct view name, struct error *err);
int scripts_read(const char *maildir, struct view name, size_t limit, struct str *text,
		 struct error *err);
/* In place of one of that name, or new. Durable. */
int scripts_write(const char *maildir, struct view name, struct view text, struct error *err);
/* -EPERM: it is the active one. */
int scripts_delete(const char *maildir, struct view name, struct error *err);
/* The active one stays so under its new name. -EEXIST. */
int scripts_rename(const char *maildir, struct view from, struct view to, struct error *err);
/* In no order. Ends early when `each` returns non-zero (returned). */
int scripts_each(const char *maildir, int (*each)(void *argument, struct view name, uint64_t size),
		 void *argument);

/*
 * Opens what a delivery is to run: the active one, or Dovecot's. A descriptor with *st, and the
 * name for people; -ENOENT: nothing.
 */
int scripts_open_active(const char *maildir, const char *home, struct stat *st, struct str *name,
			struct error *err);
/* One of the administrator's. */
int scripts_open_file(const char *path, struct stat *st, struct error *err);
int scripts_read_open(int fd, const struct stat *st, size_t limit, struct str *text);

#endif
