/*
 * Dovecot's settings that are one of Posta's under another name, or the same. What blocks mean as a whole:
 * migrate_dovecot.c.
 */
#include <string.h>

#include "base/mem.h"
#include "tools/migrate_dovecot.h"

/* "</etc/ssl/x.pem" */
static struct view file_of(struct view value)
{
	return view_trim(view_starts(value, VIEW("<")) ? view_from(value, 1) : value);
}

static void take_file(struct dovecot_report *report, const struct dovecot_setting *s,
		      const char *parameter)
{
	report_setting(report, parameter, file_of(view_of(s->value)));
}

static void take_as_it_is(struct dovecot_report *report, const struct dovecot_setting *s,
			  const char *parameter)
{
	report_setting(report, parameter, view_of(s->value));
}

static void take_opposite(struct dovecot_report *report, const struct dovecot_setting *s,
			  const char *parameter)
{
	report_setting(report, parameter, strcmp(s->value, "yes") == 0 ? VIEW("no") : VIEW("yes"));
}

static void take_listen(struct dovecot_report *report, const struct dovecot_setting *s,
			const char *parameter)
{
	bool all = strchr(s->value, '*') != NULL || strstr(s->value, "::") != NULL;

	report_setting(report, parameter, all ? VIEW("all") : view_of(s->value));
}

bool dovecot_translate_path(struct view value, struct str *out)
{
	static const struct {
		const char *theirs, *ours;
	} variables[] = {
		{ "%{user | username}", "%n" },
		{ "%{user|username}", "%n" },
		{ "%{user | domain}", "%d" },
		{ "%{user|domain}", "%d" },
		{ "%{user}", "%u" },
		{ "%{home}", "~" },
		{ "%Lu", "%u" },
		{ "%Ln", "%n" },
		{ "%Ld", "%d" },
		{ "%u", "%u" },
		{ "%n", "%n" },
		{ "%d", "%d" },
		{ "%h", "~" },
	};

	while (value.len > 0) {
		size_t i = 0;

		while (i < ARRAY_SIZE(variables) &&
		       !view_starts(value, view_of(variables[i].theirs)))
			i++;
		if (i < ARRAY_SIZE(variables)) {
			str_append_cstr(out, variables[i].ours);
			value = view_from(value, strlen(variables[i].theirs));
		} else if (value.data[0] == '%') {
			return false;
		} else {
			str_append_byte(out, value.data[0]);
			value = view_from(value, 1);
		}
	}
	return true;
}

static void take_home(struct dovecot_report *report, const struct dovecot_setting *s,
		      const char *parameter)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	if (dovecot_translate_path(view_of(s->value), &path))
		report_setting(report, parameter, str_view(&path));
	else
		report_missing(report, s, "variables in it that Posta does not have");
}

/* "maildir:~/Maildir:INBOX=..." */
static void take_location(struct dovecot_report *report, const struct dovecot_setting *s,
			  const char *parameter)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct view value = view_of(s->value), options = VIEW_NONE;
	size_t colon;

	if (!view_starts(value, VIEW("maildir:"))) {
		report_missing(report, s,
			       "mail is not Maildir: convert it (doveadm sync, or posta mailbox "
			       "import for mbox)");
		return;
	}
	value = view_from(value, strlen("maildir:"));
	colon = view_find_byte(value, ':');
	if (colon != VIEW_NOT_FOUND)
		options = view_from(value, colon + 1);
	if (!dovecot_translate_path(view_first(value, colon), &path)) {
		report_missing(report, s, "variables in it that Posta does not have");
		return;
	}
	str_clear(&path);
	str_append_cstr(&path, "maildir:");
	(void)dovecot_translate_path(view_first(value, colon), &path);
	report_setting(report, parameter, str_view(&path));
	if (options.len > 0)
		report_missing(report, s,
			       "what follows the path (INDEX, LAYOUT, ...) is not there");
}

static void take_protocol(struct dovecot_report *report, const struct dovecot_setting *s,
			  const char *parameter)
{
	(void)parameter;
	if (strcmp(s->value, "TLSv1.2") == 0 || strcmp(s->value, "TLSv1.3") == 0) {
		_cleanup_(str_free) struct str value = STR_EMPTY;

		str_printf(&value, ">=%s", s->value);
		report_setting(report, "smtpd_tls_mandatory_protocols", str_view(&value));
	}
}

static void take_mechanisms(struct dovecot_report *report, const struct dovecot_setting *s,
			    const char *parameter)
{
	static const char *const mechanisms[] = {
		"plain",	 "login",
		"scram-sha-1",	 "scram-sha-1-plus",
		"scram-sha-256", "scram-sha-256-plus",
		"xoauth2",	 "oauthbearer",
		"external",
	};
	_cleanup_(str_free) struct str known = STR_EMPTY;
	struct view rest = view_of(s->value), word;
	bool others = false;

	while (view_next_word(&rest, " \t", &word)) {
		bool ours = false;

		for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++)
			ours |= view_is_nocase(word, mechanisms[i]);
		if (ours)
			str_printf(&known, "%s%.*s", known.len > 0 ? ", " : "", VIEW_ARG(word));
		else
			others = true;
	}
	if (known.len > 0)
		report_setting(report, parameter, str_view(&known));
	if (others)
		report_missing(report, s,
			       "mechanisms other than plain, login, scram, oauth and external");
}

static void take_compression(struct dovecot_report *report, const struct dovecot_setting *s,
			     const char *parameter)
{
	report_setting(report, parameter, VIEW("zstd"));
	if (strcmp(s->value, "gz") != 0 && strcmp(s->value, "zstd") != 0)
		report_missing(report, s, "what is there in this format cannot be read");
}

/* "maildir:User quota", "count:User quota": which of them counts is no question here. */
static void take_quota_root(struct dovecot_report *report, const struct dovecot_setting *s,
			    const char *parameter)
{
	if (strncmp(s->value, "maildir:", 8) == 0)
		report_setting(report, parameter, VIEW("yes"));
	else
		report->needless++;
}

/* "file:~/sieve;active=~/.dovecot.sieve" */
static void take_sieve_place(struct dovecot_report *report, const struct dovecot_setting *s,
			     const char *parameter)
{
	(void)parameter;
	report_note(report, s,
		    "users' scripts lie in sieve/ beside the mail, and .dovecot.sieve is run while "
		    "there is none: posta sieve list USER tells");
}

/* A block in which the setting means this; "": at the top. `take` NULL: nobody misses it. */
static const struct mapping {
	const char *section, *name, *parameter;
	void (*take)(struct dovecot_report *report, const struct dovecot_setting *s,
		     const char *parameter);
} mappings[] = {
	{ "", "ssl_cert", "smtpd_tls_cert_file", take_file },
	{ "", "ssl_server_cert_file", "smtpd_tls_cert_file", take_file },
	{ "", "ssl_key", "smtpd_tls_key_file", take_file },
	{ "", "ssl_server_key_file", "smtpd_tls_key_file", take_file },
	{ "", "ssl_min_protocol", NULL, take_protocol },
	{ "", "hostname", "myhostname", take_as_it_is },
	{ "", "listen", "inet_interfaces", take_listen },
	{ "", "recipient_delimiter", "recipient_delimiter", take_as_it_is },
	{ "", "first_valid_uid", "virtual_minimum_uid", take_as_it_is },
	{ "", "mail_uid", "virtual_uid", take_as_it_is },
	{ "", "mail_gid", "virtual_gid", take_as_it_is },
	{ "", "mail_home", "virtual_home", take_home },
	{ "", "mail_location", "mail_location", take_location },
	{ "", "auth_mechanisms", "auth_mechanisms", take_mechanisms },
	{ "", "disable_plaintext_auth", "disable_plaintext_auth", take_as_it_is },
	{ "", "auth_allow_cleartext", "disable_plaintext_auth", take_opposite },
	{ "", "mail_max_userip_connections", "mail_max_userip_connections", take_as_it_is },
	{ "protocol imap", "mail_max_userip_connections", "mail_max_userip_connections",
	  take_as_it_is },
	{ "protocol pop3", "mail_max_userip_connections", "mail_max_userip_connections",
	  take_as_it_is },
	{ "", "auth_realms", NULL, NULL },
	{ "", "auth_default_realm", "auth_default_realm", take_as_it_is },
	{ "", "auth_default_domain", "auth_default_realm", take_as_it_is },
	{ "", "auth_failure_delay", "auth_failure_delay", take_as_it_is },
	{ "", "auth_master_user_separator", "auth_master_user_separator", take_as_it_is },
	{ "", "login_trusted_networks", "login_trusted_networks", take_as_it_is },
	{ "", "lmtp_save_to_detail_mailbox", "lmtp_save_to_detail_mailbox", take_as_it_is },
	{ "", "lda_mailbox_autocreate", "lda_mailbox_autocreate", take_as_it_is },
	{ "", "imap_hibernate_timeout", "imap_hibernate_timeout", take_as_it_is },
	{ "protocol imap", "imap_hibernate_timeout", "imap_hibernate_timeout", take_as_it_is },
	{ "", "quota_full_tempfail", "mailbox_quota_full_tempfail", take_as_it_is },
	{ "", "imap_idle_notify_interval", "imap_idle_notify_interval", take_as_it_is },
	{ "protocol imap", "imap_idle_notify_interval", "imap_idle_notify_interval",
	  take_as_it_is },
	{ "", "pop3_uidl_format", "pop3_uidl_format", take_as_it_is },
	{ "protocol pop3", "pop3_uidl_format", "pop3_uidl_format", take_as_it_is },
	{ "", "pop3_no_flag_updates", "pop3_no_flag_updates", take_as_it_is },
	{ "protocol pop3", "pop3_no_flag_updates", "pop3_no_flag_updates", take_as_it_is },
	{ "", "pop3_lock_session", "pop3_lock_session", take_as_it_is },
	{ "protocol pop3", "pop3_lock_session", "pop3_lock_session", take_as_it_is },
	{ "namespace inbox", "separator", "imap_namespace_separator", take_as_it_is },
	{ "namespace inbox", "prefix", "imap_namespace_prefix", take_as_it_is },
	{ "namespace", "separator", "imap_namespace_separator", take_as_it_is },
	{ "namespace", "prefix", "imap_namespace_prefix", take_as_it_is },
	{ "plugin", "quota", "mailbox_quota_maildirsize", take_quota_root },
	{ "plugin", "quota_grace", "mailbox_quota_grace", take_as_it_is },
	{ "plugin", "zlib_save", "mailbox_compress", take_compression },
	{ "", "mail_compress_write_method", "mailbox_compress", take_compression },
	{ "plugin", "zlib_save_level", NULL, NULL },
	{ "plugin", "sieve", NULL, take_sieve_place },
	{ "plugin", "sieve_dir", NULL, NULL },
	{ "plugin", "sieve_default", "sieve_after", take_as_it_is },
	{ "plugin", "sieve_before", "sieve_before", take_as_it_is },
	{ "plugin", "sieve_after", "sieve_after", take_as_it_is },
	{ "plugin", "sieve_global", "sieve_global_directory", take_as_it_is },
	{ "plugin", "sieve_global_dir", "sieve_global_directory", take_as_it_is },
	{ "plugin", "sieve_extensions", NULL, NULL },
	{ "plugin", "sieve_max_actions", "sieve_max_actions", take_as_it_is },
	{ "plugin", "sieve_max_redirects", "sieve_max_redirects", take_as_it_is },
	{ "plugin", "sieve_quota_max_scripts", "sieve_quota_max_scripts", take_as_it_is },
	{ "plugin", "sieve_vacation_min_period", "sieve_vacation_min_period", take_as_it_is },
	{ "plugin", "sieve_vacation_max_period", "sieve_vacation_max_period", take_as_it_is },
	{ "userdb static", "uid", "virtual_uid", take_as_it_is },
	{ "userdb static/fields", "uid", "virtual_uid", take_as_it_is },
	{ "userdb static/fields", "gid", "virtual_gid", take_as_it_is },
	{ "userdb static/fields", "home", "virtual_home", take_home },
};

/* namespace inbox { mailbox Trash { autoexpunge = 30d } } */
static bool dovecot_take_autoexpunge(struct dovecot_report *report, const struct dovecot_setting *s)
{
	struct view section = view_of(s->section);
	size_t at = view_find(section, VIEW("/mailbox "));

	if (!view_starts(section, VIEW("namespace")) || at == VIEW_NOT_FOUND ||
	    strcmp(s->name, "autoexpunge") != 0)
		return false;
	section = view_from(section, at + strlen("/mailbox "));
	/* Names are words there. */
	if (view_find_byte(section, ' ') != VIEW_NOT_FOUND) {
		report_missing(report, s, "a folder with a blank in its name");
		return true;
	}
	str_printf(&report->autoexpunge, "%s%.*s=%s", report->autoexpunge.len > 0 ? ", " : "",
		   VIEW_ARG(section), s->value);
	return true;
}

bool dovecot_setting_map(struct dovecot_report *report, const struct dovecot_setting *s)
{
	if (strcmp(s->section, "plugin") == 0 && strncmp(s->name, "quota_rule", 10) == 0) {
		str_printf(&report->quota, "%s%s", report->quota.len > 0 ? " " : "", s->value);
		return true;
	}
	if (dovecot_take_autoexpunge(report, s))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(mappings); i++) {
		if (strcmp(s->section, mappings[i].section) != 0 ||
		    strcmp(s->name, mappings[i].name) != 0)
			continue;
		if (mappings[i].take != NULL)
			mappings[i].take(report, s, mappings[i].parameter);
		else
			report->needless++;
		return true;
	}
	return false;
}

void dovecot_gathered_end(struct dovecot_report *report)
{
	if (report->autoexpunge.len > 0)
		report_setting(report, "mailbox_autoexpunge", str_view(&report->autoexpunge));
	if (report->quota.len > 0)
		report_setting(report, "mailbox_quota_rules", str_view(&report->quota));
}
