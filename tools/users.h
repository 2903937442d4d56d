/*
 * The file of mailbox users (the first table of mailbox_users, as a rule conf/users): read,
 * checked, edited and compiled. Changes are made under a lock, aside, and put in place as a whole;
 * the compiled tables follow at once: mailbox_users without passwords, for every program, and
 * mailbox_passwords with them, for auth. main.cf has been read before.
 */
#ifndef TOOLS_USERS_H
#define TOOLS_USERS_H

#include "base/error.h"
#include "base/str.h"

enum users_change { USERS_ADD, USERS_REPLACE, USERS_DELETE };

/*
 * Puts `line` ("" to delete) in place of `name`'s. 0; -EEXIST, -ENOENT; -EINVAL: a line of the
 * file is wrong, each is named in *report and nothing was changed; others with a reason in *report.
 * *ended gets the names, one a line, whose sessions have lost their right: those who are gone, have
 * another password or may not log in any more.
 */
int users_change(enum users_change change, struct view name, struct view line, struct str *ended,
		 struct str *report);
/* Checks the file and compiles it. Returns as above. */
int users_compile(struct str *ended, struct str *report);
/* The same at a start, if a table is older than the file, or is not there. */
int users_complete(struct str *report);
/* Both tables out of a text, as `posta init` makes them first. To let auth read is its matter. */
int users_build(const char *type, const char *users, const char *passwords, struct view text,
		struct str *report);
/* The user's line without its end. 1, 0, or a negative errno with a reason. */
int users_find(struct view name, struct str *line, struct str *report);
/* Calls `each` for every user's line that is well-formed. A file that is not there is empty. */
int users_each(void (*each)(void *argument, struct view line), void *argument, struct str *report);

/*
 * Of tables with passwords: "hash:/path" of the first in a parameter's value, one that is made from a file; *path is
 * replaced. 0, or -EINVAL with a reason.
 */
int users_table_of(const char *parameter, const char *value, char type[16], char **path,
		   struct error *err);
/* Root's table of hashes is readable for auth, and for nobody else. */
void users_hand_to_auth(const char *path);

#endif
