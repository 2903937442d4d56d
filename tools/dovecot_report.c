/* What posta migrate dovecot prints, line by line. What the lines are is decided in dovecot_mapping.c and migrate_dovecot.c. */
#include "base/mem.h"
#include "tools/migrate_dovecot.h"

static void report_place(struct str *to, const struct dovecot_setting *s)
{
	str_printf(to, "%s, line %d: ", s->file, s->line);
	if (s->section[0] != '\0')
		str_printf(to, "%s/", s->section);
	str_printf(to, "%s = %s", s->name, s->value);
}

void report_setting(struct dovecot_report *report, const char *parameter, struct view value)
{
	_cleanup_(str_free) struct str quoted = STR_EMPTY;

	/* For a shell. */
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '\'')
			str_append_cstr(&quoted, "'\\'");
		str_append_byte(&quoted, value.data[i]);
	}
	str_printf(&report->settings, "'%s=%s'\n", parameter, str_cstr(&quoted));
}

void report_note(struct dovecot_report *report, const struct dovecot_setting *s, const char *what)
{
	report_place(&report->notes, s);
	str_printf(&report->notes, ": %s\n", what);
}

void report_missing(struct dovecot_report *report, const struct dovecot_setting *s,
		    const char *what)
{
	report_place(&report->missing, s);
	str_printf(&report->missing, "%s%s\n", what[0] ? ": " : "", what);
}
