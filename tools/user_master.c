/* posta user master: administrators who log in as others, auth_master_users. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "tools/credentials.h"
#include "tools/tool.h"
#include "tools/user_app.h"
#include "tools/user_password.h"
#include "user/app_password.h"

enum { OPTION_SCOPE = OPTION_AFTER_PASSWORD, OPTION_USERS, OPTION_NETS };

static const struct option options[] = {
	PASSWORD_OPTIONS,
	{ "scope", required_argument, NULL, OPTION_SCOPE },
	{ "users", required_argument, NULL, OPTION_USERS },
	{ "allow-nets", required_argument, NULL, OPTION_NETS },
	{ 0 },
};

struct master_request {
	struct password_request password;
	const char *scope, *users, *nets;
	struct view name;
};

/* " field=a,b", from a list as people write it. */
static bool master_put_field(struct str *value, const char *field, const char *list)
{
	struct view rest = view_of(list != NULL ? list : ""), word;
	bool first = true;

	while (conf_next_element(&rest, &word)) {
		if (view_find_byte(word, ',') != VIEW_NOT_FOUND || view_has_control(word) ||
		    view_find_byte(word, ' ') != VIEW_NOT_FOUND)
			return false;
		if (first)
			str_printf(value, " %s=", field);
		else
			str_append_byte(value, ',');
		str_append_lower(value, word);
		first = false;
	}
	return list == NULL || !first;
}

static int master_add(const struct master_request *q, struct credentials *file)
{
	_cleanup_(str_wipe) struct str value = STR_EMPTY;
	struct error err = ERROR_NONE;
	int status;

	if (!app_password_name_is_valid(q->name))
		return tool_fail("user",
				 "a master user's name is of letters, digits, '-', '_' and '.'");
	if (credentials_find(file, q->name, &value))
		return tool_fail("user", "there is a master user %.*s already", VIEW_ARG(q->name));
	status = user_make_hash(&q->password, &value);
	if (status != TOOL_DONE)
		return status;
	if (view_find_byte(str_view(&value), ' ') != VIEW_NOT_FOUND)
		return tool_fail("user", "--hash: no blanks");
	if (!master_put_field(&value, "services", q->scope) ||
	    !master_put_field(&value, "users", q->users) ||
	    !master_put_field(&value, "allow_nets", q->nets))
		return tool_fail("user",
				 "--scope, --users, --allow-nets: lists with commas expected");
	credentials_put(file, q->name, str_view(&value));
	return credentials_store(file, &err) < 0 ? tool_fail("user", "%s", err.text) : TOOL_DONE;
}

static void master_show(void *unused, struct view name, struct view value)
{
	size_t blank = MIN(view_find_byte(value, ' '), value.len);

	(void)unused;
	printf("%.*s\t%.*s\n", VIEW_ARG(name), VIEW_ARG(view_trim(view_from(value, blank))));
}

static int master_list(const struct master_request *q, struct credentials *file)
{
	(void)q;
	credentials_each(file, master_show, NULL);
	if (param.auth_master_user_separator[0] == '\0')
		fprintf(stderr,
			"posta user: auth_master_user_separator is empty: none of them can log "
			"in as others\n");
	return TOOL_DONE;
}

static int master_remove(const struct master_request *q, struct credentials *file)
{
	_cleanup_(str_wipe) struct str value = STR_EMPTY;
	struct error err = ERROR_NONE;

	if (!credentials_find(file, q->name, &value))
		return tool_fail("user", "there is no master user %.*s", VIEW_ARG(q->name));
	credentials_put(file, q->name, VIEW_NONE);
	return credentials_store(file, &err) < 0 ? tool_fail("user", "%s", err.text) : TOOL_DONE;
}

static const struct {
	const char *name;
	int names;
	bool changes;
	int (*run)(const struct master_request *q, struct credentials *file);
} master_actions[] = {
	{ "add", 1, true, master_add },
	{ "list", 0, false, master_list },
	{ "remove", 1, true, master_remove },
};

static bool master_read_options(int argc, char **argv, struct master_request *q)
{
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (password_option_take(option, optarg, &q->password))
			continue;
		switch (option) {
		case OPTION_SCOPE:
			q->scope = optarg;
			break;
		case OPTION_USERS:
			q->users = optarg;
			break;
		case OPTION_NETS:
			q->nets = optarg;
			break;
		default:
			return false;
		}
	}
	return true;
}

int user_master(int argc, char **argv)
{
	_cleanup_(credentials_freep) struct credentials *file = NULL;
	struct master_request q = { .scope = NULL };
	struct error err = ERROR_NONE;
	size_t action = 0;

	while (argc > 1 && action < ARRAY_SIZE(master_actions) &&
	       strcmp(master_actions[action].name, argv[1]) != 0)
		action++;
	if (argc < 2 || action == ARRAY_SIZE(master_actions))
		return tool_usage("user", "master: what is to be done? (add, list, remove)");
	if (!master_read_options(argc - 1, argv + 1, &q))
		return tool_usage("user", "see above");
	if (argc - 1 - optind != master_actions[action].names)
		return tool_usage("user", "master %s: NAME expected", master_actions[action].name);
	if (master_actions[action].names > 0)
		q.name = view_of(argv[1 + optind]);
	if (!tool_load(NULL, 0))
		return TOOL_NO;
	if (credentials_open("auth_master_users", param.auth_master_users,
			     master_actions[action].changes, &file, &err) < 0)
		return tool_fail("user", "%s", err.text);
	return master_actions[action].run(&q, file);
}
