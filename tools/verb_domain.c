/*
 * posta domain: further domains of mailbox users, with what each needs. The list itself stands in
 * main.cf; a domain of another class, or in a table of the site's own, is only listed.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "mail/address.h"
#include "route/route.h"
#include "task/task.h"
#include "tools/conf_edit.h"
#include "tools/index.h"
#include "tools/instance.h"
#include "tools/json.h"
#include "tools/tool.h"
#include "tools/users.h"

static const char help[] = "usage: posta [-c CONFDIR] domain add DOMAIN [--postmaster ADDRESS]\n"
			   "       posta [-c CONFDIR] domain list [--json]\n"
			   "       posta [-c CONFDIR] domain remove DOMAIN\n"
			   "\n"
			   "add puts DOMAIN into virtual_mailbox_domains of main.cf, gives it the "
			   "addresses postmaster and\n"
			   "abuse (RFC 2142) that lead to ADDRESS or to the postmaster of "
			   "$mydomain, reloads the suite if it\n"
			   "runs, and prints the DNS records to publish. Its users are added by "
			   "posta user add NAME@DOMAIN.\n"
			   "remove takes it out again; not while it has users. Letters beyond "
			   "ASCII become an A-label.\n"
			   "list shows the domains that mail is taken for, of which class each is, "
			   "and how many mailbox\n"
			   "users it has.\n";

#define TABLE_MAX ((size_t)64 << 20)

static const char *const roles[] = { "postmaster", "abuse" };

static bool domain_standard(const char *text, struct str *domain)
{
	_cleanup_(str_free) struct str ascii = STR_EMPTY;

	if (!domain_is_valid(view_of(text), true) || domain_to_ascii(view_of(text), &ascii) < 0 ||
	    !domain_is_valid(str_view(&ascii), false))
		return false;
	str_append_lower(domain, str_view(&ascii));
	return true;
}

/* ---- users of a domain ---- */

struct domain_count {
	struct view domain;
	size_t users;
};

static void domain_count_user(void *argument, struct view line)
{
	struct domain_count *count = argument;
	struct view local, domain;

	address_split(view_first(line, view_find_byte(line, ':')), &local, &domain);
	count->users += view_eq_nocase(domain, count->domain);
}

static size_t domain_users(struct view domain)
{
	_cleanup_(str_free) struct str report = STR_EMPTY;
	struct domain_count count = { .domain = domain };

	(void)users_each(domain_count_user, &count, &report);
	return count.users;
}

/* ---- list ---- */

static void domain_show(struct view domain, const char *parameter, bool as_json)
{
	bool has_users = strcmp(parameter, "virtual_mailbox_domains") == 0;
	size_t users = has_users ? domain_users(domain) : 0;
	struct json json = JSON_START;

	if (!as_json) {
		printf("%-40.*s %-24s", VIEW_ARG(domain), parameter);
		if (has_users)
			printf(" %zu users", users);
		putchar('\n');
		return;
	}
	json_object(&json, NULL);
	json_string(&json, "domain", domain);
	json_string(&json, "parameter", view_of(parameter));
	if (has_users)
		json_number(&json, "users", (int64_t)users);
	json_end(&json);
	json_print(&json);
}

static int domain_list(bool as_json)
{
	static const char *const lists[] = { "virtual_mailbox_domains", "virtual_alias_domains",
					     "relay_domains", "mydestination" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		const char *value = conf_get(lists[i]);
		struct view rest = view_of(value), domain;

		while (value != NULL && conf_next_element(&rest, &domain))
			domain_show(domain, lists[i], as_json);
	}
	return TOOL_DONE;
}

/* ---- changing main.cf ---- */

static int domain_set_list(const char *value)
{
	_cleanup_(str_free) struct str setting = STR_EMPTY;
	char *words[4] = { mem_strdup("conf"), mem_strdup("-e"), NULL, NULL };
	int status;

	str_printf(&setting, "virtual_mailbox_domains=%s", value);
	words[2] = mem_strdup(str_cstr(&setting));
	optind = 0; /* begins anew */
	status = verb_conf(3, words);
	for (size_t i = 0; i < 3; i++)
		free(words[i]);
	return status;
}

static void domain_is_up_task(void *unused)
{
	(void)unused;
	task_quit(!instance_is_down());
}

/* What runs reads main.cf at a reload. */
static int domain_reload(void)
{
	char *words[] = { mem_strdup("reload"), NULL };
	int status = TOOL_DONE;

	if (task_run(domain_is_up_task, NULL))
		status = verb_reload(1, words);
	free(words[0]);
	return status;
}

static int domain_print_records(const char *domain)
{
	char *words[] = { mem_strdup("dns"), mem_strdup(domain), NULL };
	int status;

	optind = 0; /* begins anew */
	status = verb_dns(2, words);
	free(words[0]);
	free(words[1]);
	return status;
}

/* ---- the addresses that each domain has ---- */

/* The text of the first table of virtual aliases that has one. */
static bool domain_alias_file(struct str *path, struct str *specification)
{
	static const char *const types[] = { "hash:/", "btree:/", "lmdb:/" };
	struct view rest = view_of(param.virtual_alias_maps), table;

	while (conf_next_element(&rest, &table))
		for (size_t i = 0; i < ARRAY_SIZE(types); i++)
			if (view_starts(table, view_of(types[i]))) {
				str_append(specification, table);
				str_append(path, view_from(table, strlen(types[i]) - 1));
				return true;
			}
	return false;
}

static int domain_add_roles(const char *domain, const char *postmaster)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, table = STR_EMPTY, text = STR_EMPTY;
	const struct index_job job = { .verb = "domain", .source = SOURCE_MAP };
	struct error err = ERROR_NONE;

	if (!domain_alias_file(&path, &table)) {
		fprintf(stderr,
			"posta domain: virtual_alias_maps has no table with a text: give "
			"%s its postmaster and abuse by hand\n",
			domain);
		return TOOL_DONE;
	}
	if (io_read_file(str_cstr(&path), TABLE_MAX, &text, &err) < 0)
		return tool_fail("domain", "%s", err.text);
	if (text.len > 0 && !view_ends(str_view(&text), VIEW("\n")))
		str_append_byte(&text, '\n');
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		str_printf(&text, "%s@%s %s\n", roles[i], domain, postmaster);
	if (conf_edit_replace(str_cstr(&path), str_view(&text), &err) < 0)
		return tool_fail("domain", "%s", err.text);
	return index_build(&job, str_cstr(&table));
}

/* ---- add, remove ---- */

/* The class that it has already, or NULL. */
static const char *domain_class(const char *domain)
{
	struct error err = ERROR_NONE;
	struct routes *routes = routes_open(&err);
	int class = routes != NULL ? route_class(routes, view_of(domain), NULL) : CLASS_DEFAULT;

	routes_close(routes);
	return class < 0 || class == CLASS_DEFAULT ? NULL
						   : address_class_name((enum address_class) class);
}

static int domain_add(const char *domain, const char *postmaster)
{
	_cleanup_(str_free) struct str value = STR_EMPTY, target = STR_EMPTY;
	const struct conf_setting *setting = conf_setting("virtual_mailbox_domains");
	const char *class = domain_class(domain);
	int status;

	if (class != NULL)
		return tool_fail("domain", "%s is there already, as a domain of class %s", domain,
				 class);
	if (postmaster != NULL)
		str_append_cstr(&target, postmaster);
	else
		str_printf(&target, "postmaster@%s", param.mydomain);
	str_printf(&value, "%s%s%s", setting != NULL ? setting->value : "",
		   setting != NULL && setting->value[0] != '\0' ? ", " : "", domain);
	status = domain_set_list(str_cstr(&value));
	if (status == TOOL_DONE)
		status = domain_add_roles(domain, str_cstr(&target));
	if (status == TOOL_DONE)
		status = domain_reload();
	if (status == TOOL_DONE)
		status = domain_print_records(domain);
	return status;
}

static int domain_remove(const char *domain)
{
	const struct conf_setting *setting = conf_setting("virtual_mailbox_domains");
	_cleanup_(str_free) struct str value = STR_EMPTY;
	struct view rest, element;
	bool found = false;
	size_t users = domain_users(view_of(domain));
	int status;

	if (users > 0)
		return tool_fail("domain", "%s has %zu users: delete them first (posta user del)",
				 domain, users);
	rest = view_of(setting != NULL ? setting->value : "");
	while (conf_next_element(&rest, &element)) {
		if (view_eq_nocase(element, view_of(domain))) {
			found = true;
			continue;
		}
		str_printf(&value, "%s%.*s", value.len > 0 ? ", " : "", VIEW_ARG(element));
	}
	if (!found)
		return tool_fail("domain", "virtual_mailbox_domains of main.cf does not name %s",
				 domain);
	status = domain_set_list(str_cstr(&value));
	return status == TOOL_DONE ? domain_reload() : status;
}

int verb_domain(int argc, char **argv)
{
	static const struct option options[] = { { "postmaster", required_argument, NULL, 'p' },
						 { "json", no_argument, NULL, 'j' },
						 { 0 } };
	_cleanup_(str_free) struct str domain = STR_EMPTY;
	const char *postmaster = NULL, *action;
	bool as_json = false;
	int option;

	if (tool_help(argc, argv, help))
		return TOOL_DONE;
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'p')
			postmaster = optarg;
		else if (option == 'j')
			as_json = true;
		else
			return tool_usage("domain", "wrong option");
	}
	action = optind < argc ? argv[optind++] : "";
	if (strcmp(action, "list") == 0 && optind == argc)
		return tool_load(NULL, 0) ? domain_list(as_json) : TOOL_NO;
	if ((strcmp(action, "add") != 0 && strcmp(action, "remove") != 0) || optind + 1 != argc)
		return tool_usage("domain", "expected add DOMAIN, list, or remove DOMAIN");
	if (!domain_standard(argv[optind], &domain))
		return tool_usage("domain", "\"%s\" is no domain", argv[optind]);
	if (postmaster != NULL && strpbrk(postmaster, " \t\n,") != NULL)
		return tool_usage("domain", "--postmaster: expected an address");
	if (!instance_find("domain") || !tool_load(NULL, 0))
		return TOOL_NO;
	return action[0] == 'a' ? domain_add(str_cstr(&domain), postmaster)
				: domain_remove(str_cstr(&domain));
}
