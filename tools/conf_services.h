/* master.cf as posta conf shows and changes it: -M entries, -F fields, -P parameters (-o). */
#ifndef TOOLS_CONF_SERVICES_H
#define TOOLS_CONF_SERVICES_H

#include <stdbool.h>

enum conf_services_what { SERVICES_ENTRIES, SERVICES_FIELDS, SERVICES_PARAMETERS };

/*
 * Shows what the patterns name ("service", "service/type", "service/type/field"; "*" for any);
 * all without patterns. Returns an exit status.
 */
int conf_services_show(enum conf_services_what what, char *const *patterns, bool names,
		       bool values);
/*
 * Changes: "service/type=entry", "service/type/field=value", "service/type/parameter=value";
 * with `remove` or `comment_out` only names.
 */
int conf_services_edit(enum conf_services_what what, char *const *changes, bool remove,
		       bool comment_out);

#endif
