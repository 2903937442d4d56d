/*
 * The system's users and groups, as getpwnam(3) and getgrnam(3) know them: files, and what else
 * nsswitch.conf(5) names.
 */
#ifndef TABLE_SYSTEM_H
#define TABLE_SYSTEM_H

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

#define SYSTEM_NAME_MAX 64

/* "unix:passwd.byname", "unix:group.byname". */
bool table_is_system(struct view specification);

/*
 * Appends the entry as a line of passwd(5) or group(5), with "x" for the password whatever it is:
 * 1; 0: there is none of this name; or a negative errno. It may wait for a directory; in a program
 * with tasks another thread does that meanwhile.
 */
int system_find_user(struct view name, struct str *line);
int system_find_group(struct view name, struct str *line);
/*
 * From now on these tables are asked by way of proxymap: this is a program that will be confined,
 * maybe where there is no passwd file, and then every user would be unknown.
 */
void table_system_by_proxymap(void);
/* As the one of these that the specification means. */
int table_ask_system(struct view specification, struct view name, struct str *line,
		     struct error *err);

#endif
