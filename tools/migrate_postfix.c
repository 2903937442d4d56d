/*
 * posta migrate postfix: what of a Postfix site is the same here, what differs, whom it talks to and
 * what it needs. It reads main.cf and master.cf as the programs do, and changes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "tools/migrate.h"
#include "tools/tool.h"

static void site_print(const char *title, const struct str *lines)
{
	struct view rest = str_view(lines), line;

	if (lines->len == 0)
		return;
	printf("\n%s\n", title);
	while (view_next_word(&rest, "\n", &line))
		printf("  %.*s\n", VIEW_ARG(line));
}

/* ---- parameters ---- */

static void count_settings(size_t *same, size_t *known)
{
	size_t count;
	const struct conf_setting *settings = conf_settings(&count);

	*same = *known = 0;
	for (size_t i = 0; i < count; i++) {
		const struct param_info *info = param_find(view_of(settings[i].name));

		if (conf_setting(settings[i].name) != &settings[i])
			continue;
		*known += info != NULL;
		*same += info != NULL && !param_is_later(info);
	}
}

/* ---- what differs on purpose ---- */

static bool is_empty(const char *name)
{
	const char *value = conf_get(name);

	return value == NULL || *value == '\0';
}

static void note_no_certificate(struct str *out)
{
	const char *level = conf_get("smtpd_tls_security_level");
	bool wanted = (level != NULL && *level != '\0' && strcmp(level, "none") != 0) ||
		      param.smtpd_use_tls || param.smtpd_enforce_tls;

	if (wanted && is_empty("smtpd_tls_chain_files") && is_empty("smtpd_tls_cert_file") &&
	    is_empty("smtpd_tls_eccert_file"))
		str_append_cstr(out, "no certificate: STARTTLS is not announced, and services that "
				     "require it do not start; Postfix announces it and fails\n");
}

static bool has_login_mismatch(const char *value)
{
	return value != NULL &&
	       (strstr(value, "reject_sender_login_mismatch") != NULL ||
		strstr(value, "reject_authenticated_sender_login_mismatch") != NULL);
}

/* A service with the restriction, and without a table of its own. */
static bool service_has_mismatch(const struct service *service)
{
	bool asked = false, owned = false;

	for (size_t i = 0; i < service->override_count; i++) {
		const struct conf_override *o = &service->overrides[i];

		asked = asked || has_login_mismatch(o->value);
		owned = owned || (strcmp(o->name, "smtpd_sender_login_maps") == 0 &&
				  o->value != NULL && o->value[0] != '\0');
	}
	return asked && !owned;
}

static void note_login_mismatch(const struct services *services, struct str *out)
{
	size_t count;
	const struct conf_setting *settings = conf_settings(&count);
	bool asked = false;

	for (size_t i = 0; i < count; i++)
		asked = asked || has_login_mismatch(settings[i].value);
	for (size_t i = 0; i < services->count; i++)
		asked = asked || service_has_mismatch(&services->items[i]);
	if (asked && is_empty("smtpd_sender_login_maps"))
		str_append_cstr(out,
				"reject_sender_login_mismatch without smtpd_sender_login_maps: "
				"users may send as themselves; Postfix refuses them all\n");
}

static void note_mailbox_size(struct str *out)
{
	if (!is_empty("mydestination") && param.mailbox_size_limit > 0 &&
	    (param.message_size_limit == 0 || param.mailbox_size_limit < param.message_size_limit))
		str_append_cstr(out,
				"mailbox_size_limit is smaller than message_size_limit: mail of "
				"system users is delivered; Postfix's local refuses to run\n");
}

/* ---- whom it talks to ---- */

/* A UNIX socket: there or not. Relative names are below Postfix's queue. */
static void note_socket(struct str *out, const char *name, struct view path)
{
	_cleanup_(str_free) struct str full = STR_EMPTY;
	struct stat st;
	bool there;

	if (!view_starts(path, VIEW("/")))
		str_printf(&full, "%s/", conf_foreign_directory());
	str_append(&full, path);
	there = stat(str_cstr(&full), &st) == 0 && S_ISSOCK(st.st_mode);
	str_printf(out, "%s: %s%s\n", name, str_cstr(&full), there ? "" : " (not there now)");
}

static void note_endpoint(struct str *out, const char *name, struct view word)
{
	static const char *const fronts[] = { "unix:", "local:", "lmtp:unix:", "inet:",
					      "dovecot:" };

	for (size_t i = 0; i < ARRAY_SIZE(fronts); i++) {
		if (!view_starts(word, view_of(fronts[i])))
			continue;
		if (strstr(fronts[i], "inet") != NULL)
			str_printf(out, "%s: %.*s\n", name, VIEW_ARG(word));
		else if (strcmp(fronts[i], "dovecot:") != 0)
			note_socket(out, name, view_from(word, strlen(fronts[i])));
		return;
	}
}

static void find_endpoints(struct str *out)
{
	static const char *const names[] = {
		"smtpd_milters",
		"non_smtpd_milters",
		"content_filter",
		"virtual_transport",
		"local_transport",
		"mailbox_transport",
		"relay_transport",
		"smtpd_recipient_restrictions",
		"smtpd_relay_restrictions",
		"smtpd_client_restrictions",
		"smtpd_sender_restrictions",
		"smtpd_end_of_data_restrictions",
		"smtpd_data_restrictions",
	};
	const struct conf_setting *type = conf_setting("smtpd_sasl_type");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = conf_setting(names[i]) != NULL ? conf_get(names[i]) : NULL;
		struct view rest = view_of(value), word;

		while (value != NULL && conf_next_element(&rest, &word))
			note_endpoint(out, names[i], word);
	}
	if (type != NULL && strcmp(type->value, "dovecot") == 0 &&
	    conf_get("smtpd_sasl_path") != NULL)
		note_socket(out, "smtpd_sasl_path", view_of(conf_get("smtpd_sasl_path")));
}

/* Programs that pipe and spawn would run. */
static void find_commands(const struct services *services, struct str *out)
{
	for (size_t i = 0; i < services->count; i++)
		for (char **at = services->items[i].arguments; *at != NULL; at++) {
			const char *path = *at + strlen("argv=");

			if (strncmp(*at, "argv=/", strlen("argv=/")) == 0 && access(path, X_OK) < 0)
				str_printf(out,
					   "master.cf, line %d: service %s runs %s, which is not "
					   "there\n",
					   services->items[i].line, services->items[i].name, path);
		}
}

/* ---- all of it ---- */

static int check_as_well(void)
{
	char *words[] = { mem_strdup("check"), NULL };
	int status;

	printf("\nWhat posta check says of it:\n");
	fflush(stdout);
	status = verb_check(1, words);
	free(words[0]);
	return status;
}

int migrate_postfix(const char *directory)
{
	_cleanup_(str_free) struct str errors = STR_EMPTY, guards = STR_EMPTY, later = STR_EMPTY;
	_cleanup_(str_free) struct str trifles = STR_EMPTY, unused = STR_EMPTY, talks = STR_EMPTY;
	_cleanup_(str_free) struct str lacks = STR_EMPTY, meant = STR_EMPTY;
	struct services services = { 0 };
	size_t same, known;
	int status;

	tool_set_directory(directory);
	(void)services_load(directory, &services, &errors);
	(void)conf_load(directory, NULL, 0, &errors);
	if (conf_directory()[0] == '\0')
		status = tool_fail("migrate", "%s", str_cstr(&errors));
	else
		status = TOOL_DONE;
	if (status == TOOL_DONE) {
		conf_not_in_force(&guards, &later, &trifles);
		services_not_in_force(&services, &guards, &later, &trifles);
		conf_unused(&unused);
		note_no_certificate(&meant);
		note_login_mismatch(&services, &meant);
		note_mailbox_size(&meant);
		find_endpoints(&talks);
		find_commands(&services, &lacks);
		count_settings(&same, &known);
		printf("%s: %s, %zu parameters of Postfix set, %zu in force here, %zu services\n",
		       directory,
		       conf_is_of_postfix() ? "a site of Postfix" : "not written for Postfix",
		       known, same, services.count);
		site_print("Wrong", &errors);
		site_print("Differs, and keeps a program from starting: it filters, restricts or "
			   "encrypts",
			   &guards);
		site_print("Differs: known, not in force yet", &later);
		site_print("Differs on purpose", &meant);
		site_print("Of no consequence here", &trifles);
		site_print("Nothing reads these", &unused);
		site_print("It talks to", &talks);
		site_print("To be installed", &lacks);
		status = check_as_well();
	}
	services_free(&services);
	return status;
}
