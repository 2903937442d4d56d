/*
 * unix:passwd.byname and unix:group.byname, and the system's users for who else needs them. Nothing
 * is remembered: an account that is added counts at once, and nobody is replaced for it.
 */
#include "table/system.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "base/mem.h"
#include "services/clients.h"
#include "table/internal.h"
#include "task/task.h"

#define SYSTEM_ENTRY_MAX ((size_t)1024 * 1024)

struct system_question {
	char name[SYSTEM_NAME_MAX + 1];
	bool group;
	struct str *line;
};

/* Of who somebody is, which a directory may let people write themselves: it must not shift the fields that follow. */
static void put_gecos(struct str *line, const char *text)
{
	for (; text != NULL && *text != '\0'; text++)
		str_append_byte(line, *text == ':' || *text == '\n' ? ' ' : *text);
}

static void put_user(struct str *line, const struct passwd *user)
{
	str_printf(line, "%s:x:%ld:%ld:", user->pw_name, (long)user->pw_uid, (long)user->pw_gid);
	put_gecos(line, user->pw_gecos);
	str_printf(line, ":%s:%s", user->pw_dir, user->pw_shell ? user->pw_shell : "");
}

static void put_group(struct str *line, const struct group *group)
{
	str_printf(line, "%s:x:%ld:", group->gr_name, (long)group->gr_gid);
	for (char **member = group->gr_mem; *member != NULL; member++)
		str_printf(line, "%s%s", member == group->gr_mem ? "" : ",", *member);
}

static int system_ask_once(struct system_question *q, char *buffer, size_t size)
{
	struct passwd user, *found = NULL;
	struct group group, *found_group = NULL;
	int e = q->group ? getgrnam_r(q->name, &group, buffer, size, &found_group)
			 : getpwnam_r(q->name, &user, buffer, size, &found);

	if (found != NULL)
		put_user(q->line, found);
	else if (found_group != NULL)
		put_group(q->line, found_group);
	else /* Some sources report "no such entry" by an error; see getpwnam(3). */
		return e == ENOENT || e == ESRCH || e == EBADF || e == EPERM ? 0 : -e;
	return 1;
}

/* Thread-safe: it touches nothing but the question. */
static int system_ask(void *argument)
{
	_cleanup_free_ char *buffer = NULL;
	int r = -ERANGE;

	for (size_t size = 4096; r == -ERANGE && size <= SYSTEM_ENTRY_MAX; size *= 4) {
		buffer = mem_resize(buffer, size, 1);
		r = system_ask_once(argument, buffer, size);
	}
	return r;
}

static int system_find(struct view name, bool group, struct str *line)
{
	struct system_question q = { .group = group, .line = line };

	if (name.len == 0 || name.len > SYSTEM_NAME_MAX || view_has_control(name) ||
	    view_find_byte(name, ':') != VIEW_NOT_FOUND ||
	    view_find_byte(name, '/') != VIEW_NOT_FOUND)
		return 0;
	memcpy(q.name, name.data, name.len);
	return task_count() > 0 ? task_blocking(system_ask, &q) : system_ask(&q);
}

int system_find_user(struct view name, struct str *line)
{
	return system_find(name, false, line);
}

int system_find_group(struct view name, struct str *line)
{
	return system_find(name, true, line);
}

bool table_is_system(struct view specification)
{
	return view_is(specification, "unix:passwd.byname") ||
	       view_is(specification, "unix:group.byname");
}

int table_ask_system(struct view specification, struct view name, struct str *line,
		     struct error *err)
{
	int r = system_find(name, view_is(specification, "unix:group.byname"), line);

	return r < 0 ? error_set(err, r, "%s", strerror(-r)) : r;
}

/* ---- the type of table ---- */

static bool by_proxymap;

void table_system_by_proxymap(void)
{
	by_proxymap = true;
}

static int open_unix(struct table *table, struct view name, struct error *err)
{
	(void)name;
	if (!table_is_system(view_of(table->specification)))
		return error_set(err, -EINVAL, "expected passwd.byname or group.byname");
	return 0;
}

static int lookup_unix(struct table *table, struct view key, struct str *value, struct error *err)
{
	struct view specification = view_of(table->specification);
	_cleanup_(str_free) struct str folded = STR_EMPTY;

	if (!(table->flags & TABLE_CASE_SENSITIVE)) {
		str_append_lower(&folded, key);
		key = str_view(&folded);
	}
	return by_proxymap ? proxymap_ask(specification, key, value, err)
			   : table_ask_system(specification, key, value, err);
}

static void close_unix(struct table *table)
{
	(void)table;
}

static int dump_unix(struct table *table, table_row *row, void *argument, struct error *err)
{
	_cleanup_(str_free) struct str line = STR_EMPTY;
	bool groups = view_is(view_of(table->specification), "unix:group.byname");
	const struct passwd *user = NULL;
	const struct group *group = NULL;
	int r = 0;

	(void)err;
	setpwent();
	setgrent();
	while (r == 0 && (groups ? (group = getgrent()) != NULL : (user = getpwent()) != NULL)) {
		str_clear(&line);
		if (groups)
			put_group(&line, group);
		else
			put_user(&line, user);
		r = row(argument, view_first(str_view(&line), view_find_byte(str_view(&line), ':')),
			str_view(&line));
	}
	endpwent();
	endgrent();
	return r;
}

const struct table_type table_type_unix = {
	.name = "unix",
	.open = open_unix,
	.lookup = lookup_unix,
	.close = close_unix,
	.dump = dump_unix,
};
