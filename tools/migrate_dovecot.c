/*
 * posta migrate dovecot: Dovecot's settings in Posta's words, and what has none. It changes nothing;
 * what it prints is to be read, and then run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tools/migrate.h"
#include "tools/tool.h"

/* What is printed, by kind, so that it stands together. */
struct dovecot_report {
	struct str settings; /* arguments of posta conf -e, one a line */
	struct str notes;    /* what is to be done otherwise */
	struct str missing;  /* no counterpart yet */
	size_t needless;
};

static void report_place(struct str *to, const struct dovecot_setting *s)
{
	str_printf(to, "%s, line %d: ", s->file, s->line);
	if (s->section[0] != '\0')
		str_printf(to, "%s/", s->section);
	str_printf(to, "%s = %s", s->name, s->value);
}

static void report_setting(struct dovecot_report *report, const char *parameter, struct view value)
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

static void report_note(struct dovecot_report *report, const struct dovecot_setting *s,
			const char *what)
{
	report_place(&report->notes, s);
	str_printf(&report->notes, ": %s\n", what);
}

static void report_missing(struct dovecot_report *report, const struct dovecot_setting *s,
			   const char *what)
{
	report_place(&report->missing, s);
	str_printf(&report->missing, "%s%s\n", what[0] ? ": " : "", what);
}

/* ---- settings that have a name of their own here ---- */

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

/* "%{user | domain}" of 2.4, and %d of 2.3. "" if there is more in it than we know. */
static bool translate_path(struct view value, struct str *out)
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

	if (translate_path(view_of(s->value), &path))
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
	if (!translate_path(view_first(value, colon), &path)) {
		report_missing(report, s, "variables in it that Posta does not have");
		return;
	}
	str_clear(&path);
	str_append_cstr(&path, "maildir:");
	(void)translate_path(view_first(value, colon), &path);
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
	_cleanup_(str_free) struct str known = STR_EMPTY;
	struct view rest = view_of(s->value), word;
	bool others = false;

	while (view_next_word(&rest, " \t", &word)) {
		if (view_is_nocase(word, "plain") || view_is_nocase(word, "login") ||
		    view_is_nocase(word, "scram-sha-1") || view_is_nocase(word, "scram-sha-256"))
			str_printf(&known, "%s%.*s", known.len > 0 ? ", " : "", VIEW_ARG(word));
		else
			others = true;
	}
	if (known.len > 0)
		report_setting(report, parameter, str_view(&known));
	if (others)
		report_missing(report, s,
			       "mechanisms other than plain, login, scram-sha-1, scram-sha-256");
}

/* A block in which the setting means this; NULL: at the top. */
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
	{ "userdb static", "uid", "virtual_uid", take_as_it_is },
	{ "userdb static/fields", "uid", "virtual_uid", take_as_it_is },
	{ "userdb static/fields", "gid", "virtual_gid", take_as_it_is },
	{ "userdb static/fields", "home", "virtual_home", take_home },
};

/* ---- blocks that mean more than their settings ---- */

static const struct dovecot_setting *sibling(const struct dovecot_conf *conf,
					     const struct dovecot_setting *s, const char *name)
{
	for (size_t i = 0; i < conf->count; i++)
		if (conf->settings[i].block == s->block &&
		    strcmp(conf->settings[i].section, s->section) == 0 &&
		    strcmp(conf->settings[i].name, name) == 0)
			return &conf->settings[i];
	return NULL;
}

/* userdb { driver = static; args = uid=vmail gid=vmail home=/var/vmail/%d/%n } */
static void take_static_args(struct dovecot_report *report, const struct dovecot_setting *args)
{
	struct view rest = view_of(args->value), word;

	while (view_next_word(&rest, " \t", &word)) {
		size_t equals = view_find_byte(word, '=');
		struct view name = view_first(word, equals), value = view_from(word, equals + 1);
		_cleanup_(str_free) struct str path = STR_EMPTY;

		if (view_is(name, "uid") || view_is(name, "gid"))
			report_setting(report, view_is(name, "uid") ? "virtual_uid" : "virtual_gid",
				       value);
		else if (view_is(name, "home") && translate_path(value, &path))
			report_setting(report, "virtual_home", str_view(&path));
		else if (!view_is(name, "allow_all_users"))
			report_missing(report, args, "a field of users that Posta does not take");
	}
}

/* `driver` is that of 2.3's "driver =", or the word after passdb and userdb in 2.4. */
static void take_database(const struct dovecot_conf *conf, struct dovecot_report *report,
			  const struct dovecot_setting *s, const char *driver, bool passwords)
{
	const struct dovecot_setting *args = sibling(conf, s, "args");

	if (strcmp(driver, "passwd-file") == 0)
		report_note(report, s,
			    passwords ? "the file has the form of conf/users: copy it there, then "
					"posta user compile names what does not fit"
				      : "as passdb: the same file");
	else if (strcmp(driver, "pam") == 0 || strcmp(driver, "passwd") == 0 ||
		 strcmp(driver, "shadow") == 0)
		report_note(report, s, "users of the system log in as they are (mydestination)");
	else if (strcmp(driver, "static") == 0 && !passwords && args != NULL)
		take_static_args(report, args);
	else if (strcmp(driver, "static") != 0 && strcmp(driver, "prefetch") != 0)
		report_missing(report, s,
			       "users from there: export them into conf/users (doveadm user '*'), "
			       "or ask that server by smtpd_sasl_type = dovecot for now");
}

static bool take_block(const struct dovecot_conf *conf, struct dovecot_report *report,
		       const struct dovecot_setting *s)
{
	static const char *const databases[] = { "passdb", "userdb" };

	for (size_t i = 0; i < ARRAY_SIZE(databases); i++) {
		const char *after = s->section + strlen(databases[i]);

		if (strncmp(s->section, databases[i], strlen(databases[i])) != 0)
			continue;
		if (*after == '\0' && strcmp(s->name, "driver") == 0)
			take_database(conf, report, s, s->value, i == 0);
		/* 2.4 names the driver in the block's name; told once for a block. */
		else if (*after == ' ' && strchr(after, '/') == NULL &&
			 sibling(conf, s, s->name) == s &&
			 (s == conf->settings || s[-1].block != s->block))
			take_database(conf, report, s, after + 1, i == 0);
		return true;
	}
	return false;
}

/* Nobody misses them: Posta does it in its own way, or they say how Dovecot is built. */
static bool is_needless(const struct dovecot_setting *s)
{
	static const char *const names[] = {
		"dovecot_config_version",
		"dovecot_storage_version",
		"base_dir",
		"state_dir",
		"login_user",
		"default_login_user",
		"default_internal_user",
		"default_internal_group",
		"mail_privileged_group",
		"mail_access_groups",
		"ssl_dh",
		"ssl_cipher_list",
		"ssl_prefer_server_ciphers",
		"verbose_proctitle",
		"shutdown_clients",
		"log_timestamp",
		"maildir_stat_dirs",
		"maildir_copy_with_hardlinks",
		"maildir_very_dirty_syncs",
		"mail_fsync",
		"mmap_disable",
		"mail_nfs_storage",
		"mail_nfs_index",
		"lock_method",
		"auth_verbose",
		"auth_debug",
		"mail_debug",
		"verbose_ssl",
		"client_limit",
		"process_limit",
		"process_min_avail",
		"service_count",
		"vsz_limit",
		"user",
		"group",
		"mode",
		"executable",
		"chroot",
		"inbox",
		"auto",
		"special_use",
		"type",
		"separator",
		"lda_mailbox_autocreate",
		"lda_mailbox_autosubscribe",
		"ssl",
		"port",
		"address",
		"login_log_format_elements",
		"login_trusted_networks",
		"info_log_path",
		"debug_log_path",
		"syslog_facility",
		"auth_username_chars",
		"auth_worker_max_count",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(s->name, names[i]) == 0)
			return true;
	return false;
}

static void take_protocols(struct dovecot_report *report, const struct dovecot_setting *s)
{
	struct view rest = view_of(s->value), word;
	bool on = strcmp(s->section, "protocols") != 0 || strcmp(s->value, "yes") == 0;

	if (strcmp(s->section, "protocols") == 0)
		rest = view_of(s->name);
	while (on && view_next_word(&rest, " \t", &word)) {
		if (view_is(word, "lmtp"))
			report_missing(report, s,
				       "an LMTP server: Posta delivers itself "
				       "(virtual_transport = virtual)");
		else if (view_is(word, "sieve") || view_is(word, "managesieve"))
			report_missing(report, s, "ManageSieve");
	}
}

static void take_setting(const struct dovecot_conf *conf, struct dovecot_report *report,
			 const struct dovecot_setting *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(mappings); i++)
		if (strcmp(s->section, mappings[i].section) == 0 &&
		    strcmp(s->name, mappings[i].name) == 0) {
			mappings[i].take(report, s, mappings[i].parameter);
			return;
		}
	if (take_block(conf, report, s))
		return;
	if ((s->section[0] == '\0' && strcmp(s->name, "protocols") == 0) ||
	    strcmp(s->section, "protocols") == 0)
		take_protocols(report, s);
	else if (s->section[0] == '\0' && strcmp(s->name, "mail_driver") == 0)
		report->needless += strcmp(s->value, "maildir") == 0;
	else if (s->section[0] == '\0' && strcmp(s->name, "postmaster_address") == 0)
		report_note(report, s, "postmaster is an alias: conf/aliases and conf/virtual");
	else if (s->section[0] == '\0' && strcmp(s->name, "log_path") == 0)
		report_note(report, s, "the log is one for all programs: maillog_file");
	else if (strncmp(s->section, "service", 7) == 0 || is_needless(s))
		report->needless++;
	else
		report_missing(report, s, "");
}

/* 2.4 has the driver and the path apart. */
static void take_mail_path(const struct dovecot_conf *conf, struct dovecot_report *report)
{
	const struct dovecot_setting *driver = NULL, *path = NULL;

	for (size_t i = 0; i < conf->count; i++) {
		if (conf->settings[i].section[0] != '\0')
			continue;
		if (strcmp(conf->settings[i].name, "mail_driver") == 0)
			driver = &conf->settings[i];
		if (strcmp(conf->settings[i].name, "mail_path") == 0)
			path = &conf->settings[i];
	}
	if (driver == NULL && path == NULL)
		return;
	if (driver != NULL && strcmp(driver->value, "maildir") != 0) {
		report_missing(report, driver, "mail is not Maildir: convert it (doveadm sync)");
		return;
	}
	if (path != NULL) {
		_cleanup_(str_free) struct str location = STR_EMPTY, translated = STR_EMPTY;

		if (!translate_path(view_of(path->value), &translated)) {
			report_missing(report, path, "variables in it that Posta does not have");
			return;
		}
		str_printf(&location, "maildir:%s", str_cstr(&translated));
		report_setting(report, "mail_location", str_view(&location));
	}
}

/* ---- printing ---- */

static void print_lines(const char *title, const struct str *lines)
{
	struct view rest = str_view(lines), line;

	if (lines->len == 0)
		return;
	printf("\n# %s\n", title);
	while (view_next_word(&rest, "\n", &line))
		printf("#   %.*s\n", VIEW_ARG(line));
}

static void print_settings(const struct str *settings)
{
	struct view rest = str_view(settings), line;

	if (settings->len == 0) {
		printf("# No setting has a counterpart.\n");
		return;
	}
	printf("posta conf -e");
	while (view_next_word(&rest, "\n", &line))
		printf(" \\\n\t%.*s", VIEW_ARG(line));
	printf("\n");
}

int migrate_dovecot(const char *directory)
{
	struct dovecot_report report = { .needless = 0 };
	struct dovecot_conf conf = { .count = 0 };
	struct error err = ERROR_NONE;
	int r = dovecot_conf_read(directory, &conf, &err);

	if (r < 0) {
		dovecot_conf_free(&conf);
		return tool_fail("migrate", "%s", err.text);
	}
	take_mail_path(&conf, &report);
	for (size_t i = 0; i < conf.count; i++)
		if (strcmp(conf.settings[i].name, "mail_path") != 0)
			take_setting(&conf, &report, &conf.settings[i]);
	printf("# %zu settings of Dovecot in %d files below %s. In Posta's words:\n\n", conf.count,
	       conf.files, directory);
	print_settings(&report.settings);
	print_lines("To be done otherwise", &report.notes);
	print_lines("No counterpart yet", &report.missing);
	print_lines("Not understood", &conf.problems);
	printf("\n# %zu are of no consequence here.\n", report.needless);
	printf("# Mailboxes: posta mailbox import --help. What was set twice is printed twice: the "
	       "last "
	       "counts.\n");
	str_free(&report.settings);
	str_free(&report.notes);
	str_free(&report.missing);
	dovecot_conf_free(&conf);
	return TOOL_DONE;
}
