/*
 * posta check: tables, networks and certificates that are named in the configuration. Each is
 * opened as a program would open it.
 */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/programs.h"
#include "table/server.h"
#include "table/table.h"
#include "task/stream.h"
#include "tls/tls.h"
#include "tools/certificate.h"
#include "tools/check.h"
#include "tools/tool.h"

#define CERTIFICATE_DAYS   14 /* before its end, somebody should look at it */
#define FORBIDDEN_TO_WRITE (S_IWGRP | S_IWOTH)
#define FORBIDDEN_TO_READ  S_IROTH

/* ---- owners and modes ---- */

static void check_mode(const char *path, mode_t forbidden, const char *why)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno != ENOENT)
			check_error("%s: %s", path, strerror(errno));
		return;
	}
	if (st.st_mode & forbidden)
		check_error("%s has mode %03o: %s", path, st.st_mode & 0777, why);
	if (geteuid() == 0 && st.st_uid != 0)
		check_error("%s belongs to uid %u, not to root", path, st.st_uid);
}

static void check_in_conf(const char *name, mode_t forbidden, const char *why)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/%s", tool_directory(), name);
	check_mode(path.data, forbidden, why);
}

static void check_account(const char *parameter, const char *name)
{
	const struct passwd *user = getpwnam(name);

	if (user == NULL)
		check_error("%s: there is no user %s on this system", parameter, name);
	else if (user->pw_uid == 0 || user->pw_gid == 0)
		check_error("%s: user %s has the rights of root", parameter, name);
}

/* Two programs of one user would be one for each other's borders. */
static void check_accounts(void)
{
	for (enum daemon_user user = 0; user < DAEMON_USERS; user++) {
		const char *name = program_user_name(user);

		check_account(program_user_parameter(user), name);
		for (enum daemon_user other = 0; other < user; other++)
			if (strcmp(name, program_user_name(other)) == 0)
				check_error("%s and %s are to be different users, not both %s",
					    program_user_parameter(other),
					    program_user_parameter(user), name);
	}
}

void check_files(void)
{
	static const char writable[] = "others can change it";
	static const char readable[] = "others can read it";

	check_in_conf("", FORBIDDEN_TO_WRITE, writable);
	check_in_conf("main.cf", FORBIDDEN_TO_WRITE, writable);
	check_in_conf("master.cf", FORBIDDEN_TO_WRITE, writable);
	check_in_conf("users", FORBIDDEN_TO_WRITE | FORBIDDEN_TO_READ, readable);
	check_in_conf("users.db", FORBIDDEN_TO_WRITE, writable);
	check_in_conf("passwords.db", FORBIDDEN_TO_WRITE | FORBIDDEN_TO_READ, readable);
	check_mode(param.queue_directory, FORBIDDEN_TO_WRITE, writable);
	if (param.maillog_file[0] == '/' && strncmp(param.maillog_file, "/dev/", 5) != 0)
		check_mode(param.maillog_file, S_IWOTH | FORBIDDEN_TO_READ, readable);
	if (geteuid() == 0)
		check_accounts();
}

/* ---- tables ---- */

/* What Postfix has. */
static bool is_missing_type(struct view element)
{
	static const char *const types[] = { "mongodb", "cdb", "nis", "nisplus", "sdbm", "dbm" };
	struct view type = view_first(element, view_find_byte(element, ':'));

	for (size_t i = 0; i < ARRAY_SIZE(types) && type.len < element.len; i++)
		if (view_is(type, types[i]))
			return true;
	return false;
}

static bool check_is_table(struct view element)
{
	size_t colon = view_find_byte(element, ':');

	if (colon == VIEW_NOT_FOUND)
		return false;
	for (const char *const *type = table_types(); *type != NULL; type++)
		if (view_is(view_first(element, colon), *type))
			return true;
	return false;
}

/* Somebody edited the source and forgot to compile it. */
static void check_age(const char *parameter, struct view element)
{
	struct view type = view_first(element, view_find_byte(element, ':'));
	struct view path = view_from(element, type.len + 1);
	_cleanup_(str_free) struct str source = STR_EMPTY, index = STR_EMPTY;
	struct stat text, compiled;

	if (table_index_suffix(type) == NULL)
		return;
	str_append(&source, path);
	str_append(&index, path);
	str_append_cstr(&index, table_index_suffix(type));
	if (stat(source.data, &text) == 0 && stat(index.data, &compiled) == 0 &&
	    text.st_mtime > compiled.st_mtime)
		check_warning("%s: %s is newer than its index: compile it (posta map, posta alias, "
			      "posta user)",
			      parameter, source.data);
}

/* "main.cf, line 12: alias_maps" */
static const char *check_place(const struct service *service, const struct conf_setting *setting,
			       struct str *text)
{
	str_clear(text);
	if (service != NULL)
		str_printf(text, "master.cf, line %d: service %s: %s", service->line, service->name,
			   setting->name);
	else
		str_printf(text, "main.cf, line %d: %s", setting->line, setting->name);
	return str_cstr(text);
}

/* proxymap reads it when it is asked; a file that is not there is known before. */
static void check_database_file(const char *place, struct view element)
{
	struct view path = view_from(element, view_find_byte(element, ':') + 1);
	_cleanup_free_ char *name = mem_strndup(path.data, path.len);

	/* Settings in main.cf itself have a name without a path. */
	if (name[0] == '/' && access(name, R_OK) < 0)
		check_error("%s: open %s: %s", place, name, strerror(errno));
}

/* What has "proxy:" in front is for proxymap alone, which asks what proxy_read_maps leads to. */
static void check_table(const char *place, const char *name, struct view element, bool is_proxied)
{
	struct error err = ERROR_NONE;
	struct table *table = table_open(element, 0, &err);

	if (table == NULL)
		check_error("%s: %s", place, err.text);
	else if (is_proxied && table_is_server(element) &&
		 !conf_value_names(view_of(param.proxy_read_maps), element))
		check_error("%s: nobody may ask %.*s: proxy_read_maps does not lead to it", place,
			    VIEW_ARG(element));
	else if (table_is_database(element) || table_is_memcache(element))
		check_database_file(place, element);
	else
		check_age(name, element);
	table_close(table);
}

static void check_tables_of(const char *place, const char *name, struct view rest)
{
	struct view element;
	bool is_table_next = true;

	while (conf_next_element(&rest, &element)) {
		/* In a list of restrictions; what follows is a socket. */
		bool is_server = view_is(element, "check_policy_service");
		bool is_proxied = view_starts(element, VIEW("proxy:"));

		if (view_starts(element, VIEW("proxy:")))
			element = view_from(element, strlen("proxy:"));
		if (is_table_next && check_is_table(element))
			check_table(place, name, element, is_proxied);
		else if (is_table_next && is_missing_type(element))
			check_error("%s: tables like %.*s are not there yet", place,
				    VIEW_ARG(element));
		is_table_next = !is_server;
	}
}

void check_tables(const struct service *service)
{
	_cleanup_(str_free) struct str place = STR_EMPTY;

	for (size_t i = 0; i < param_table_count; i++) {
		const struct param_info *info = &param_table[i];
		bool has_tables = info->type == PARAM_TYPE_LIST || info->type == PARAM_TYPE_TABLES;
		const char *value = has_tables ? conf_get(info->name) : NULL;
		const struct conf_setting *setting = conf_setting(info->name);

		/* A default that names a file of another system is nobody's wish. Line 0: an -o. */
		if (value != NULL && setting != NULL && (setting->line == 0) == (service != NULL))
			check_tables_of(check_place(service, setting, &place), info->name,
					view_of(value));
	}
}

/* ---- networks ---- */

enum { SHORTEST_IPV4 = 8, SHORTEST_IPV6 = 16 };

/* Half the Internet is nobody's own network: "0.0.0.0/1 128.0.0.0/1" is all of it. */
void check_networks(const char *place)
{
	struct view rest = view_of(param.mynetworks), network;

	while (conf_next_element(&rest, &network)) {
		size_t slash = view_find_byte(network, '/');
		bool ipv6 = network.len > 0 && network.data[0] == '[';
		uint32_t prefix;

		if (slash == VIEW_NOT_FOUND || (!ipv6 && !ascii_is_digit(network.data[0])) ||
		    view_parse_u32(view_from(network, slash + 1), 128, &prefix) < 0)
			continue;
		if (prefix < (ipv6 ? SHORTEST_IPV6 : SHORTEST_IPV4))
			check_error("%s: mynetworks: %.*s holds strangers: whoever is in it may "
				    "relay",
				    place, VIEW_ARG(network));
	}
}

/* ---- certificates ---- */

/* The chain's first certificate: whose it is, and until when. */
static void check_certificate_file(const char *service, const char *path)
{
	struct certificate c;

	if (!certificate_read(path, param.myhostname, &c))
		return; /* what is wrong with it is told by who opens it */
	if (c.expired)
		check_error("service %s: the certificate in %s has expired", service, path);
	else if (c.days_left < CERTIFICATE_DAYS)
		check_warning("service %s: the certificate in %s expires in %d days", service, path,
			      c.days_left);
	if (c.not_yet_valid)
		check_error("service %s: the certificate in %s is not valid yet", service, path);
	if (!c.fits)
		check_warning("service %s: the certificate in %s is not for %s (myhostname)",
			      service, path, param.myhostname);
}

static const char *or_null(const char *text)
{
	return text != NULL && text[0] != '\0' ? text : NULL;
}

void check_certificates(const char *service)
{
	const struct tls_options options = {
		.server = true,
		.chain_files = or_null(param.smtpd_tls_chain_files),
		.cert_file = or_null(param.smtpd_tls_cert_file),
		.key_file = or_null(param.smtpd_tls_key_file),
		.ec_cert_file = or_null(param.smtpd_tls_eccert_file),
		.ec_key_file = or_null(param.smtpd_tls_eckey_file),
		.ca_file = or_null(param.smtpd_tls_CAfile),
		.ca_path = or_null(param.smtpd_tls_CApath),
		.protocols = or_null(param.smtpd_tls_protocols),
	};
	struct error err = ERROR_NONE;
	struct tls_context *tls;

	if (options.cert_file == NULL && options.chain_files == NULL) {
		check_warning("service %s has no certificate: no TLS (smtpd_tls_cert_file)",
			      service);
		return;
	}
	if (options.key_file != NULL)
		check_mode(options.key_file, FORBIDDEN_TO_WRITE | FORBIDDEN_TO_READ,
			   "others can read the key");
	if (options.ec_key_file != NULL)
		check_mode(options.ec_key_file, FORBIDDEN_TO_WRITE | FORBIDDEN_TO_READ,
			   "others can read the key");
	tls = tls_context_new(&options, &err);
	if (tls == NULL)
		check_error("service %s: %s", service, err.text);
	tls_context_free(tls);
	if (options.cert_file != NULL)
		check_certificate_file(service, options.cert_file);
	for (struct view rest = view_of(param.smtpd_tls_chain_files), path;
	     conf_next_element(&rest, &path);) {
		_cleanup_free_ char *name = mem_strndup(path.data, path.len);

		check_certificate_file(service, name);
		check_mode(name, FORBIDDEN_TO_WRITE | FORBIDDEN_TO_READ,
			   "others can read the key in it");
	}
}
