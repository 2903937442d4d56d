/* posta sieve: the scripts of a user, with the user's own rights. */
#include "tools/sieve_user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sieve/scripts.h"
#include "sieve/sieve.h"
#include "store/deliver.h"
#include "tools/place.h"
#include "tools/tool.h"
#include "user/user.h"

static int sieve_act_as(const struct user *user)
{
	struct place place = { user->uid, user->gid };
	int r = place_enter(&place);

	return r < 0 ? tool_fail("sieve", "act as %s: %s", user->name, strerror(-r)) : TOOL_DONE;
}

/* Finds the user and takes their rights on. A tool_status. */
static int sieve_become(const char *name, struct user *user)
{
	struct error err = ERROR_NONE;
	int r;

	if (!tool_load(NULL, 0))
		return TOOL_NO;
	if (users_open(&err) < 0)
		return tool_fail("sieve", "%s", err.text);
	r = user_find(view_of(name), user, &err);
	if (r == 0)
		return tool_fail("sieve", "there is no user %s", name);
	if (r < 0) {
		tool_fail("sieve", "%s", err.text);
		return r == -EPERM ? TOOL_NO : TOOL_LATER;
	}
	umask(077);
	return sieve_act_as(user);
}

static int sieve_failed(const struct error *err)
{
	return tool_fail("sieve", "%s", err->text);
}

static int list_one(void *argument, struct view name, uint64_t size)
{
	const struct str *active = argument;

	printf("%.*s%s %llu bytes\n", VIEW_ARG(name),
	       view_eq(name, str_view(active)) ? " (active)" : "", (unsigned long long)size);
	return 0;
}

static int sieve_run_list(const struct user *user, char **words)
{
	_cleanup_(str_free) struct str active = STR_EMPTY;
	int r;

	(void)words;
	(void)scripts_active(user->mail, &active);
	r = scripts_each(user->mail, list_one, &active);
	return r < 0 ? tool_fail("sieve", "read the scripts of %s: %s", user->name, strerror(-r))
		     : TOOL_DONE;
}

static int sieve_run_get(const struct user *user, char **words)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct error err = ERROR_NONE;

	if (scripts_read(user->mail, view_of(words[0]), SIEVE_SCRIPT_MAX, &text, &err) < 0)
		return sieve_failed(&err);
	fwrite(text.data, 1, text.len, stdout);
	return TOOL_DONE;
}

static int sieve_run_put(const struct user *user, char **words)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	_cleanup_(sieve_freep) struct sieve_script *script = NULL;
	_cleanup_fd_ int fd = place_open(words[1], O_RDONLY, 0);
	struct sieve_problem problem;
	struct error err = ERROR_NONE;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return tool_fail("sieve", "open %s: %s", words[1], strerror(fd < 0 ? -fd : errno));
	r = scripts_read_open(fd, &st, SIEVE_SCRIPT_MAX, &text);
	if (r < 0)
		return tool_fail("sieve", "read %s: %s", words[1], strerror(-r));
	/* What the administrator named was read with its owner's rights. */
	r = sieve_act_as(user);
	if (r != TOOL_DONE)
		return r;
	if (sieve_compile(str_view(&text), &script, &problem) < 0)
		return tool_fail("sieve", "%s, line %u, column %u: %s", words[1], problem.line,
				 problem.column, problem.text);
	if (maildir_create(user->mail, VIEW_NONE, &err) < 0 ||
	    scripts_write(user->mail, view_of(words[0]), str_view(&text), &err) < 0)
		return sieve_failed(&err);
	return TOOL_DONE;
}

static int sieve_run_activate(const struct user *user, char **words)
{
	struct error err = ERROR_NONE;

	return scripts_activate(user->mail, view_of(words[0]), &err) < 0 ? sieve_failed(&err)
									 : TOOL_DONE;
}

static int sieve_run_deactivate(const struct user *user, char **words)
{
	struct error err = ERROR_NONE;

	(void)words;
	return scripts_activate(user->mail, VIEW_NONE, &err) < 0 ? sieve_failed(&err) : TOOL_DONE;
}

static int sieve_run_delete(const struct user *user, char **words)
{
	struct error err = ERROR_NONE;

	return scripts_delete(user->mail, view_of(words[0]), &err) < 0 ? sieve_failed(&err)
								       : TOOL_DONE;
}

static const struct {
	const char *name;
	int words; /* after the user's name */
	int (*run)(const struct user *user, char **words);
} user_verbs[] = {
	{ "list", 0, sieve_run_list },
	{ "get", 1, sieve_run_get },
	{ "put", 2, sieve_run_put },
	{ "activate", 1, sieve_run_activate },
	{ "deactivate", 0, sieve_run_deactivate },
	{ "delete", 1, sieve_run_delete },
};

bool sieve_is_user_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(user_verbs); i++)
		if (strcmp(user_verbs[i].name, name) == 0)
			return true;
	return false;
}

int sieve_run_user_verb(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_SIZE(user_verbs); i++) {
		struct user user = { .name = NULL };
		int status;

		if (strcmp(user_verbs[i].name, argv[0]) != 0)
			continue;
		if (argc != user_verbs[i].words + 2)
			return tool_usage("sieve", "%s takes %d words after it", argv[0],
					  user_verbs[i].words + 1);
		status = sieve_become(argv[1], &user);
		if (status == TOOL_DONE)
			status = user_verbs[i].run(&user, argv + 2);
		user_free(&user);
		return status;
	}
	return TOOL_USAGE;
}
