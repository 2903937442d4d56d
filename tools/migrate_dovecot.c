/*
 * posta migrate dovecot: Dovecot's settings in Posta's words, and what has none. It changes nothing;
 * what it prints is to be read, and then run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tools/migrate_dovecot.h"
#include "tools/tool.h"

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
		else if (view_is(name, "home") && dovecot_translate_path(value, &path))
			report_setting(report, "virtual_home", str_view(&path));
		else if (!view_is(name, "allow_all_users"))
			report_missing(report, args, "a field of users that Posta does not take");
	}
}

/* 2.3's file with the queries is read as it is; 2.4 has them in dovecot.conf. */
static void take_directory(struct dovecot_report *report, const struct dovecot_setting *s,
			   const struct dovecot_setting *args, bool passwords)
{
	_cleanup_(str_free) struct str table = STR_EMPTY;

	if (args == NULL) {
		report_note(
			report, s,
			passwords ? "its query into a file (driver, connect, password_query), and "
				    "mailbox_passwords = dovecot-passdb:that file"
				  : "its query into a file (driver, connect, user_query), and "
				    "mailbox_users = dovecot-userdb:that file");
		return;
	}
	str_printf(&table, "dovecot-%s:%s", passwords ? "passdb" : "userdb", args->value);
	report_setting(report, passwords ? "mailbox_passwords" : "mailbox_users", str_view(&table));
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
	else if (strcmp(driver, "sql") == 0 || strcmp(driver, "ldap") == 0)
		take_directory(report, s, args, passwords);
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
		"lda_mailbox_autosubscribe",
		"ssl",
		"port",
		"address",
		"login_log_format_elements",
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
			report_note(report, s,
				    "Posta's own smtpd delivers without (virtual_transport = "
				    "virtual); for another MTA in front there is a service with "
				    "smtpd_protocol=lmtp in master.cf");
		else if (view_is(word, "sieve") || view_is(word, "managesieve"))
			report_note(report, s, "ManageSieve is the service sieve in master.cf");
	}
}

static void take_setting(const struct dovecot_conf *conf, struct dovecot_report *report,
			 const struct dovecot_setting *s)
{
	if (dovecot_setting_map(report, s) || take_block(conf, report, s))
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
	else if (strncmp(s->section, "service", 7) == 0 || is_needless(s) ||
		 strcmp(s->name, "mail_plugins") == 0 ||
		 (strcmp(s->section, "plugin") == 0 && strncmp(s->name, "fts", 3) == 0))
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

		if (!dovecot_translate_path(view_of(path->value), &translated)) {
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
	dovecot_gathered_end(&report);
	print_settings(&report.settings);
	print_lines("To be done otherwise", &report.notes);
	print_lines("No counterpart yet", &report.missing);
	print_lines("Not understood", &conf.problems);
	printf("\n# %zu are of no consequence here.\n", report.needless);
	printf("# Mailboxes: posta mailbox import --help. What was set twice is printed twice: the "
	       "last "
	       "counts.\n");
	str_free(&report.settings);
	str_free(&report.quota);
	str_free(&report.autoexpunge);
	str_free(&report.notes);
	str_free(&report.missing);
	dovecot_conf_free(&conf);
	return TOOL_DONE;
}
