/*
 * Files of passwords beside the users' (app passwords, master users): a line for each name, "name value", root's alone, and
 * the table that is made of it, which auth reads. Changed under a lock and put in place as a whole, at work at once.
 */
#ifndef TOOLS_CREDENTIALS_H
#define TOOLS_CREDENTIALS_H

#include "base/error.h"
#include "base/str.h"

struct credentials;

/* The first table of a parameter's value. A file that is not there is empty. 0 or a negative errno with a reason. */
int credentials_open(const char *parameter, const char *value, bool to_change,
		     struct credentials **credentials, struct error *err);
void credentials_free(struct credentials *credentials);
void credentials_freep(struct credentials **credentials);
/* The value of that name (lower case counts); false: there is none. */
bool credentials_find(const struct credentials *credentials, struct view name, struct str *value);
/* Calls `each` for every name. */
void credentials_each(const struct credentials *credentials,
		      void (*each)(void *argument, struct view name, struct view value),
		      void *argument);
/* Replaces it, adds it, or (empty) takes it away. */
void credentials_put(struct credentials *credentials, struct view name, struct view value);
/* Puts file and table in place. 0 or a negative errno with a reason. */
int credentials_store(struct credentials *credentials, struct error *err);

#endif
