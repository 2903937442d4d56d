/* master.cf as posta conf shows and changes it: -M entries, -F fields, -P parameters (-o). */
#ifndef TOOLS_CONF_SERVICES_H
#define TOOLS_CONF_SERVICES_H

#include <stdbool.h>

/* What of names and values is shown, and how. */
struct conf_view_options {
	bool only_set, defaults, expand, fold, names, values, json;
};

enum conf_services_what { SERVICES_ENTRIES, SERVICES_FIELDS, SERVICES_PARAMETERS };

/*
 * Shows what the patterns name ("service", "service/type", "service/type/field"; "*" for any);
 * all without patterns. With options->json an object for each, one in a line. Returns an exit
 * status.
 */
int conf_services_show(enum conf_services_what what, char *const *patterns,
		       const struct conf_view_options *options);
/*
 * Changes: "service/type=entry", "service/type/field=value", "service/type/parameter=value";
 * with `remove` or `comment_out` only names.
 */
int conf_services_edit(enum conf_services_what what, char *const *changes, bool remove,
		       bool comment_out);

#endif
