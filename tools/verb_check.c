/* posta check: proves the configuration sane, and that it is no open relay. */
#include "tools/check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/ipc.h"
#include "services/milter.h"
#include "task/task.h"
#include "tools/tool.h"

static const char help[] =
	"usage: posta [-c CONFDIR] check [-v]\n"
	"\n"
	"Reads main.cf and master.cf as the programs do, and looks for parameters that nothing "
	"uses or\n"
	"that are not yet in force, for files with wrong owners or modes, tables that cannot be "
	"opened or\n"
	"are older than their source, certificates that cannot be read or end soon, lines of the "
	"users' file,\n"
	"mailboxes that belong to somebody else, aliases that lead back to themselves, and "
	"transports\n"
	"without a service; then asks every SMTP service, as a stranger, to relay. What is wrong "
	"comes first. Status 1 if anything is wrong; "
	"warnings\n"
	"alone are no failure. -v also names what is of no consequence here.\n";

static struct {
	size_t asked;
	struct services services;
} check;

static void each_line(const struct str *report, void (*say)(const char *format, ...))
{
	struct view rest = str_view(report), line;

	while (view_next_word(&rest, "\n", &line))
		say("%.*s", VIEW_ARG(line));
}

/* ---- main.cf and master.cf ---- */

static bool check_main_cf(void)
{
	_cleanup_(str_free) struct str report = STR_EMPTY, unused = STR_EMPTY;
	_cleanup_(str_free) struct str guards = STR_EMPTY, later = STR_EMPTY, trifles = STR_EMPTY;
	int r = conf_load(tool_directory(), NULL, 0, &report);

	conf_not_in_force(&guards, &later, &trifles);
	services_not_in_force(&check.services, &guards, &later, &trifles);
	each_line(&guards, check_error);
	each_line(&report, check_error);
	conf_unused(&unused);
	each_line(&unused, check_warning);
	each_line(&later, check_warning);
	each_line(&trifles, check_remark);
	return r == 0;
}

static bool check_master_cf(void)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	int r = services_load(tool_directory(), &check.services, &report);

	each_line(&check.services.warnings, check_warning);
	each_line(&report, check_error);
	return r == 0;
}

/* ---- each service, with its own parameters ---- */

/* People define names of their own for use in other values. */
static bool is_used(const char *name)
{
	size_t count;
	const struct conf_setting *settings = conf_settings(&count);

	for (size_t i = 0; i < count; i++)
		if (view_find(view_of(settings[i].value), view_of(name)) != VIEW_NOT_FOUND)
			return true;
	return false;
}

static void check_override_names(const struct service *service)
{
	for (size_t i = 0; i < service->override_count; i++) {
		struct view name = view_of(service->overrides[i].name);
		const char *near = param_nearest(name);

		if (param_find(name) == NULL && near != NULL && !is_used(name.data))
			check_warning("master.cf, line %d: service %s: unused parameter: %s (did "
				      "you mean %s?)",
				      service->line, service->name, name.data, near);
	}
}

/* Lists of milters, as their programs read them at the start. */
static void check_milters(const struct service *service)
{
	bool is_smtpd = strcmp(service->program, "smtpd") == 0;
	struct milter_list list;
	struct error err = ERROR_NONE;

	if (!is_smtpd && strcmp(service->program, "cleanup") != 0)
		return;
	if (milter_list_parse(view_of(is_smtpd ? param.smtpd_milters : param.non_smtpd_milters),
			      &list, &err) < 0)
		check_error("master.cf, line %d: service %s: %s: %s", service->line, service->name,
			    is_smtpd ? "smtpd_milters" : "non_smtpd_milters", err.text);
	milter_list_free(&list);
}

static void check_service(const struct service *service)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	static const char *const with_tls[] = { "smtpd", "imapd", "pop3d", "managesieved" };

	/* Its -o may be wrong where main.cf is right. */
	if (conf_load(tool_directory(), service->overrides, service->override_count, &report) < 0) {
		check_error("master.cf, line %d: service %s:", service->line, service->name);
		each_line(&report, check_error);
		return;
	}
	check_override_names(service);
	check_tables(service);
	check_milters(service);
	/* Postfix has them behind postscreen too. */
	if (service->type != SERVICE_INET && service->type != SERVICE_PASS)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(with_tls); i++)
		if (strcmp(service->program, with_tls[i]) == 0) {
			check_certificates(service->name);
			check_sni(service->name);
		}
	if (strcmp(service->program, "smtpd") == 0) {
		_cleanup_(str_free) struct str place = STR_EMPTY;

		str_printf(&place, "service %s", service->name);
		check_networks(str_cstr(&place));
	}
	if (strcmp(service->program, "smtpd") == 0)
		check.asked += check_relay(service->name);
}

static void check_services(void *unused)
{
	(void)unused;
	for (size_t i = 0; i < check.services.count; i++)
		check_service(&check.services.items[i]);
	task_quit(0);
}

int verb_check(int argc, char **argv)
{
	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	bool verbose = argc == 2 && strcmp(argv[1], "-v") == 0;

	if (argc > 1 && !verbose)
		return tool_usage("check", "%s is not understood", argv[1]);

	findings_begin(verbose);
	bool services = check_master_cf(), readable = check_main_cf();

	if (readable) {
		check_files();
		check_users();
	}
	check_tables(NULL);
	check_aliases();
	if (services)
		check_transports(&check.services);
	if (services)
		check_master();
	if (readable && services) {
		ipc_set_root(param.queue_directory);
		ipc_be_impatient();
		task_run(check_services, NULL);
	}
	services_free(&check.services);
	return findings_print(check.asked) > 0 ? TOOL_NO : TOOL_DONE;
}
