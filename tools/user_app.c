/* posta user app-password: further passwords of a user, each for one device or program. */
#include "tools/user_app.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "tools/credentials.h"
#include "tools/instance.h"
#include "tools/json.h"
#include "tools/sessions.h"
#include "tools/tool.h"
#include "tools/user_logins.h"
#include "user/app_password.h"
#include "user/user.h"

#define SERVICES "imap, pop3, smtp, sieve, xmpp"

enum { OPTION_SCOPE = 256, OPTION_JSON };

static const struct option options[] = {
	{ "scope", required_argument, NULL, OPTION_SCOPE },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ 0 },
};

struct app_request {
	const char *scope;
	bool json;
	struct view user, name;
	struct str services; /* of the scope */
};

/* "imap, smtp" becomes "imap,smtp". */
static bool app_read_scope(struct app_request *q)
{
	static const char *const known[] = { "imap", "pop3", "smtp", "sieve", "xmpp" };
	struct view rest = view_of(q->scope != NULL ? q->scope : ""), word;

	while (conf_next_element(&rest, &word)) {
		bool found = false;

		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			found |= view_is_nocase(word, known[i]);
		if (!found) {
			tool_fail("user", "--scope: \"%.*s\" is none of %s", VIEW_ARG(word),
				  SERVICES);
			return false;
		}
		if (q->services.len > 0)
			str_append_byte(&q->services, ',');
		str_append_lower(&q->services, word);
	}
	if (q->scope != NULL && q->services.len == 0) {
		tool_fail("user", "--scope: which services? (%s)", SERVICES);
		return false;
	}
	return true;
}

/* All entries but that of the name. How many there are; *found: that was among them. */
static int app_without(struct view entries, struct view name, struct str *others, bool *found)
{
	struct app_password one;
	bool malformed;
	int count = 0;

	*found = false;
	while (app_password_next(&entries, &one, &malformed)) {
		if (view_eq(one.name, name)) {
			*found = true;
			continue;
		}
		app_password_append(others, &one);
		count++;
	}
	return malformed ? -EINVAL : count;
}

static int app_open(bool to_change, struct credentials **file)
{
	struct error err = ERROR_NONE;

	return credentials_open("auth_app_passwords", param.auth_app_passwords, to_change, file,
				&err) < 0
		       ? tool_fail("user", "%s", err.text)
		       : TOOL_DONE;
}

static int app_store(struct credentials *file)
{
	struct error err = ERROR_NONE;

	return credentials_store(file, &err) < 0 ? tool_fail("user", "%s", err.text) : TOOL_DONE;
}

/* The name under which auth looks for them: who logs in as "Bob" of the system is bob. */
static bool app_user_is_known(struct app_request *q, struct user *user)
{
	struct error err = ERROR_NONE;
	int r = users_open(&err) < 0 ? -EINVAL : user_find(q->user, user, &err);

	users_close();
	if (r < 0)
		tool_fail("user", "%s", err.text);
	else if (r == 0)
		tool_fail("user", "there is no user %.*s", VIEW_ARG(q->user));
	else
		q->user = view_of(user->name);
	return r > 0;
}

static int app_add(struct app_request *q, struct credentials *file)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	_cleanup_(str_wipe) struct str entries = STR_EMPTY, others = STR_EMPTY, made = STR_EMPTY;
	_cleanup_(str_free) struct str hash = STR_EMPTY;
	struct app_password one = { .name = q->name, .made = clock_wall() };
	bool found;
	int count;

	if (!app_password_name_is_valid(q->name))
		return tool_fail("user",
				 "a name is of letters, digits, '-', '_' and '.', %d at most",
				 APP_PASSWORD_NAME_MAX);
	if (!app_user_is_known(q, &user) || !app_read_scope(q))
		return TOOL_NO;
	(void)credentials_find(file, q->user, &entries);
	count = app_without(str_view(&entries), q->name, &others, &found);
	if (count < 0)
		return tool_fail("user", "the line of %s in the file makes no sense", user.name);
	if (found)
		return tool_fail("user", "%s has an app password %.*s already", user.name,
				 VIEW_ARG(q->name));
	if (count >= APP_PASSWORDS_MAX)
		return tool_fail("user", "%s has %d app passwords, and may have no more", user.name,
				 count);
	app_password_make(&made, &hash);
	one.services = str_view(&q->services);
	one.hash = str_view(&hash);
	app_password_append(&others, &one);
	credentials_put(file, q->user, str_view(&others));
	if (app_store(file) != TOOL_DONE)
		return TOOL_NO;
	printf("%s\n", str_cstr(&made));
	return TOOL_DONE;
}

/* Whoever is logged in may be so by that password. */
static void app_end_sessions(struct view user)
{
	_cleanup_(str_free) struct str name = STR_EMPTY;

	str_append(&name, user);
	if (instance_find("user"))
		(void)sessions_kick(str_view(&name));
}

static int app_remove(struct app_request *q, struct credentials *file)
{
	_cleanup_(str_wipe) struct str entries = STR_EMPTY, others = STR_EMPTY;
	bool found;

	(void)credentials_find(file, q->user, &entries);
	if (app_without(str_view(&entries), q->name, &others, &found) < 0)
		return tool_fail("user", "the line of %.*s in the file makes no sense",
				 VIEW_ARG(q->user));
	if (!found)
		return tool_fail("user", "%.*s has no app password %.*s", VIEW_ARG(q->user),
				 VIEW_ARG(q->name));
	credentials_put(file, q->user, str_view(&others));
	if (app_store(file) != TOOL_DONE)
		return TOOL_NO;
	app_end_sessions(q->user);
	return TOOL_DONE;
}

static void app_show(const struct app_request *q, struct view user, const struct app_password *one)
{
	_cleanup_(str_free) struct str used = STR_EMPTY;
	int64_t last = instance_find("user") ? user_last_login(user, one->name, &used) : 0;
	struct json out = JSON_START;

	if (!q->json) {
		printf("%.*s\t%.*s\tscope=%.*s\t%s%s\n", VIEW_ARG(user), VIEW_ARG(one->name),
		       VIEW_ARG(one->services.len > 0 ? one->services : VIEW("all")),
		       last > 0 ? "last login " : "not used yet, as far as is known",
		       str_cstr(&used));
		return;
	}
	json_object(&out, NULL);
	json_string(&out, "user", user);
	json_string(&out, "name", one->name);
	json_string(&out, "scope", one->services);
	json_number(&out, "made", one->made);
	json_number(&out, "last_login", last > 0 ? last : 0);
	json_end(&out);
	json_print(&out);
}

static void app_list_user(void *argument, struct view user, struct view entries)
{
	const struct app_request *q = argument;
	struct app_password one;
	bool malformed;

	if (q->user.len > 0 && !view_eq_nocase(q->user, user))
		return;
	while (app_password_next(&entries, &one, &malformed))
		app_show(q, user, &one);
	if (malformed)
		tool_fail("user", "the line of %.*s in the file makes no sense", VIEW_ARG(user));
}

static int app_list(struct app_request *q, struct credentials *file)
{
	credentials_each(file, app_list_user, q);
	return TOOL_DONE;
}

static const struct {
	const char *name;
	int least, most;
	bool changes;
	int (*run)(struct app_request *q, struct credentials *file);
} app_actions[] = {
	{ "add", 2, 2, true, app_add },
	{ "list", 0, 1, false, app_list },
	{ "remove", 2, 2, true, app_remove },
};

static int app_run(struct app_request *q, size_t action)
{
	_cleanup_(credentials_freep) struct credentials *file = NULL;
	int status;

	if (!tool_load(NULL, 0))
		return TOOL_NO;
	status = app_open(app_actions[action].changes, &file);
	return status == TOOL_DONE ? app_actions[action].run(q, file) : status;
}

int user_app_password(int argc, char **argv)
{
	struct app_request q = { .scope = NULL };
	size_t action = 0;
	int option, names, status;

	while (argc > 1 && action < ARRAY_SIZE(app_actions) &&
	       strcmp(app_actions[action].name, argv[1]) != 0)
		action++;
	if (argc < 2 || action == ARRAY_SIZE(app_actions))
		return tool_usage("user", "app-password: what is to be done? (add, list, remove)");
	while ((option = getopt_long(argc - 1, argv + 1, "", options, NULL)) >= 0) {
		if (option == OPTION_SCOPE)
			q.scope = optarg;
		else if (option == OPTION_JSON)
			q.json = true;
		else
			return tool_usage("user", "see above");
	}
	names = argc - 1 - optind;
	if (names < app_actions[action].least || names > app_actions[action].most)
		return tool_usage("user", "app-password %s: ADDRESS and NAME expected",
				  app_actions[action].name);
	if (names > 0)
		q.user = view_of(argv[1 + optind]);
	if (names > 1)
		q.name = view_of(argv[2 + optind]);
	status = app_run(&q, action);
	str_free(&q.services);
	return status;
}

int user_app_forget(struct view user)
{
	_cleanup_(credentials_freep) struct credentials *file = NULL;
	_cleanup_(str_wipe) struct str entries = STR_EMPTY;

	/* Tables of another kind are somebody else's. */
	if (credentials_open("auth_app_passwords", param.auth_app_passwords, true, &file, NULL) <
		    0 ||
	    !credentials_find(file, user, &entries))
		return TOOL_DONE;
	credentials_put(file, user, VIEW_NONE);
	return app_store(file);
}
