/*
 * Users and passwords as Dovecot's files have them (dovecot-sql.conf.ext, dovecot-ldap.conf.ext of
 * Dovecot 2.3): brought into the settings of our drivers, with the names of the fields kept.
 */
#ifndef PROXYMAP_DOVECOT_H
#define PROXYMAP_DOVECOT_H

#include "base/str.h"
#include "settings.h"

#define DOVECOT_FIELDS_MAX 40
/* In the place of a password where the server checks it; the table and the key follow. */
#define DOVECOT_BIND_SCHEME "{LDAP-BIND}"

/* What becomes of a result: "\tname=value" for each field, as lib/user reads it. */
struct dovecot_fields {
	/* Of LDAP: attribute and field; of SQL the columns have the fields' names. */
	struct {
		char *attribute, *field;
	} map[DOVECOT_FIELDS_MAX];
	size_t map_count;
	/* That every user has, with %s, %u, %d in it as expand.h has them. */
	struct {
		char *field, *template;
	} fixed[DOVECOT_FIELDS_MAX];
	size_t fixed_count;
	bool binds;	     /* the server itself checks passwords: it is bound to as the user */
	char *bind_template; /* the name to bind as; NULL: it is searched */
	const char *scheme;  /* of a password that names none; NULL: these are no passwords */
};

/*
 * Reads the file. *type is the driver that it needs. NULL with the reason, also for what is asked
 * for in it and cannot be had here.
 */
struct settings *dovecot_settings_open(const char *path, bool passwords, const char **type,
				       struct dovecot_fields *fields, struct error *err);
/* The field of an attribute; NULL: it is not asked for. */
const char *dovecot_field_of(const struct dovecot_fields *fields, const char *attribute);
/* "%u" of Dovecot is "%s" of ours, and so on. 0, or -EINVAL with the reason. For tests, too. */
int dovecot_template(struct view theirs, struct str *ours, struct error *err);

#endif
