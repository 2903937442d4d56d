/* What the files of posta migrate dovecot share. */
#ifndef TOOLS_MIGRATE_DOVECOT_H
#define TOOLS_MIGRATE_DOVECOT_H

#include "tools/migrate.h"

/* What is printed, by kind, so that it stands together. */
struct dovecot_report {
	struct str settings;	/* arguments of posta conf -e, one a line */
	struct str notes;	/* what is to be done otherwise */
	struct str missing;	/* no counterpart yet */
	struct str quota;	/* the rules, in one line */
	struct str autoexpunge; /* likewise */
	size_t needless;
};

/* dovecot_report.c */
void report_setting(struct dovecot_report *report, const char *parameter, struct view value);
void report_note(struct dovecot_report *report, const struct dovecot_setting *s, const char *what);
void report_missing(struct dovecot_report *report, const struct dovecot_setting *s,
		    const char *what);

/* dovecot_mapping.c: settings that have a name of their own here. False: it is none of them. */
bool dovecot_setting_map(struct dovecot_report *report, const struct dovecot_setting *s);
/* "%{user | domain}" of 2.4, and %d of 2.3. False: there is more in it than we know. */
bool dovecot_translate_path(struct view value, struct str *out);
/* After the last setting: what was gathered of quota_rule, quota_rule2 and so on, and of folders. */
void dovecot_gathered_end(struct dovecot_report *report);

#endif
