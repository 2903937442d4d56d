/*
 * What a table of a database or directory is set to: a file as Postfix has it for mysql:, pgsql:,
 * sqlite:, ldap: and memcache: (name = value, as in main.cf), or, where the name is no path,
 * parameters of main.cf that begin with it (ldap:office is office_server_host ...).
 */
#ifndef PROXYMAP_SETTINGS_H
#define PROXYMAP_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/view.h"

struct settings;

/* `name` is what stands after "mysql:". NULL with the reason. Before the program is confined. */
struct settings *settings_open(struct view name, struct error *err);
void settings_free(struct settings *settings);
/*
 * A file of Dovecot's (dovecot-sql.conf.ext, dovecot-ldap.conf.ext), as it is: lines of name =
 * value, values without quotes around them.
 */
struct settings *settings_open_dovecot(const char *path, struct error *err);
/* Sets what a file says in another way. */
void settings_set(struct settings *settings, const char *name, struct view value);
/* The path of the file; NULL where it is main.cf. */
const char *settings_path(const struct settings *settings);

/* The value, which lives as long as the settings; `otherwise` (may be NULL) if there is none. */
const char *settings_text(struct settings *settings, const char *name, const char *otherwise);
/* Within these; what is no such number is `otherwise`, and is named in the log. */
int64_t settings_number(struct settings *settings, const char *name, int64_t otherwise, int64_t min,
			int64_t max);
bool settings_flag(struct settings *settings, const char *name, bool otherwise);
/* Names in the log what the file sets and nobody has asked for. */
void settings_report_unused(const struct settings *settings);

#endif
