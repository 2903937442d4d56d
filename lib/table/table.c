/* Opening tables by their type, looking up, noticing changes. */
#include "table/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "table/internal.h"

static const struct table_type *const types[] = {
	&table_type_btree,
	&table_type_cdb,
	&table_type_randmap,
	&table_type_cidr,
	&table_type_dovecot_passdb,
	&table_type_dovecot_userdb,
	&table_type_fail,
	&table_type_hash,
	&table_type_inline,
	&table_type_ldap,
	&table_type_lmdb,
	&table_type_memcache,
	&table_type_mysql,
	&table_type_pcre,
	&table_type_pgsql,
	&table_type_pipemap,
	&table_type_regexp,
	&table_type_socketmap,
	&table_type_sqlite,
	&table_type_static,
	&table_type_tcp,
	&table_type_texthash,
	&table_type_unionmap,
	&table_type_unix,
};

/* Every open table, for table_any_changed(). */
static struct list open_tables = { &open_tables, &open_tables };

const char *const *table_types(void)
{
	static const char *names[ARRAY_SIZE(types) + 1];

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		names[i] = types[i]->name;
	return names;
}

static const struct table_type *find_type(struct view name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (view_is(name, types[i]->name))
			return types[i];
	return NULL;
}

/* Postfix's own, which nobody has here. */
static bool is_absent_type(struct view name)
{
	static const char *const absent[] = { "environ", "nis",	 "nisplus", "netinfo",
					      "dbm",	 "sdbm", "internal" };

	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		if (view_is(name, absent[i]))
			return true;
	return false;
}

struct table *table_open_nested(struct view specification, int flags, int depth, struct error *err)
{
	const struct table_type *type;
	struct view spec = view_trim(specification);
	struct table *table;
	size_t colon;

	while (view_starts(spec, VIEW("proxy:")))
		spec = view_from(spec, strlen("proxy:"));
	colon = view_find_byte(spec, ':');
	if (colon == VIEW_NOT_FOUND) {
		error_set(err, -EINVAL, "expected a table like hash:/path, not \"%.*s\"",
			  VIEW_ARG(view_first(spec, 80)));
		return NULL;
	}
	type = find_type(view_first(spec, colon));
	if (type == NULL) {
		error_set(err, -EINVAL,
			  is_absent_type(view_first(spec, colon))
				  ? "tables of this type of Postfix are not there: \"%.*s\" "
				    "(posta conf -m lists those that are)"
				  : "no such type of table: \"%.*s\" (posta conf -m lists them)",
			  VIEW_ARG(view_first(spec, 80)));
		return NULL;
	}
	if (depth > TABLE_NEST_MAX) {
		error_set(err, -EINVAL, "tables within tables, more than %d deep", TABLE_NEST_MAX);
		return NULL;
	}
	table = mem_new(struct table);
	table->type = type;
	table->specification = mem_strndup(spec.data, spec.len);
	table->flags = flags;
	table->depth = depth;
	table->watched = -1;
	list_push_back(&open_tables, &table->link);
	if (type->open(table, view_from(spec, colon + 1), err) < 0) {
		error_prefix(err, "%s", table->specification);
		table_close(table);
		return NULL;
	}
	return table;
}

struct table *table_open(struct view specification, int flags, struct error *err)
{
	return table_open_nested(specification, flags, 0, err);
}

void table_close(struct table *table)
{
	if (table == NULL)
		return;
	table->closed = true;
	if (table->asked > 0)
		return;
	table->type->close(table);
	list_remove(&table->link);
	mem_closep(&table->watched);
	str_free(&table->folded);
	free(table->specification);
	free(table);
}

const char *table_name(const struct table *table)
{
	return table->specification;
}

bool table_wants_whole_key(const struct table *table)
{
	return table->type->whole;
}

static int table_ask_type(struct table *table, struct view key, struct str *value,
			  struct error *err)
{
	size_t longest = table->flags & TABLE_LONG_KEYS ? TABLE_LONG_KEY_MAX : TABLE_KEY_MAX;
	int r;

	/* No table holds such a key, and none is asked with the end of one in it. */
	if (key.len == 0 || key.len > longest || view_find_byte(key, '\0') != VIEW_NOT_FOUND)
		return 0;
	if (table->type->folds && !(table->flags & TABLE_CASE_SENSITIVE)) {
		str_clear(&table->folded);
		str_append_lower(&table->folded, key);
		key = str_view(&table->folded);
	}
	r = table->type->lookup(table, key, value, err);
	if (r < 0) {
		error_prefix(err, "%s", table->specification);
		return r;
	}
	if (value->len > TABLE_VALUE_MAX) {
		str_clear(value);
		return error_set(err, -EFBIG, "%s: the value is longer than %d bytes",
				 table->specification, TABLE_VALUE_MAX);
	}
	return r;
}

int table_lookup(struct table *table, struct view key, struct str *value, struct error *err)
{
	return table_lookup_as(table, key, VIEW_NONE, value, err);
}

int table_lookup_as(struct table *table, struct view key, struct view asker, struct str *value,
		    struct error *err)
{
	int r;

	str_clear(value);
	table->asked++;
	table->asker = asker;
	r = table_ask_type(table, key, value, err);
	if (--table->asked == 0 && table->closed)
		table_close(table);
	return r;
}

int table_watch(struct table *table, const char *path, struct error *err)
{
	table->watched = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (table->watched < 0)
		return error_errno(err, "open %s", path);
	if (fstat(table->watched, &table->seen) < 0)
		return error_errno(err, "stat %s", path);
	if (!S_ISREG(table->seen.st_mode))
		return error_set(err, -EINVAL, "%s is not a regular file", path);
	return 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/*
 * A file that was replaced by rename has lost its name, which shows in its link count and in the
 * time of its last status change; one that was moved away shows in the latter.
 */
bool stat_has_changed(const struct stat *seen, const struct stat *now)
{
	return now->st_nlink == 0 || now->st_size != seen->st_size ||
	       !same_time(now->st_mtim, seen->st_mtim) || !same_time(now->st_ctim, seen->st_ctim);
}

static bool has_changed(const struct table *table)
{
	struct stat now;

	if (table->watched < 0)
		return false;
	if (fstat(table->watched, &now) < 0)
		return true;
	return stat_has_changed(&table->seen, &now);
}

/*
 * Asked before each request, so it is not asked of the files each time. A change that was found is
 * told until somebody who looks finds none: several parts of a program may each have tables.
 */
bool table_any_changed(void)
{
	static msec_t looked;
	static bool changed;

	if (!changed && looked != 0 && clock_now() - looked < TABLE_LOOK_PAUSE)
		return false;
	changed = watched_any_changed();
	list_for_each (&open_tables, struct table, link, table)
		changed = changed || has_changed(table);
	looked = clock_now();
	return changed;
}

int notify_add(int notify_fd, int watched_fd)
{
	char path[40];

	/* The file that is open, whatever its name has come to mean since. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", watched_fd);
	return inotify_add_watch(notify_fd, path, IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF) < 0 ? -errno
											    : 0;
}

int table_notify_fd(void)
{
	_cleanup_fd_ int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int count, r;

	if (fd < 0)
		return -errno;
	count = watched_notify(fd);
	if (count < 0)
		return count;
	list_for_each (&open_tables, struct table, link, table) {
		if (table->watched < 0)
			continue;
		r = notify_add(fd, table->watched);
		if (r < 0)
			return r;
		count++;
	}
	return count > 0 ? TAKE_FD(fd) : -ENODATA;
}

int table_dump(const char *specification, table_row *row, void *argument, struct error *err)
{
	struct table *table = table_open(view_of(specification), 0, err);
	int r;

	if (table == NULL)
		return -EINVAL;
	if (table->type->dump == NULL)
		r = error_set(err, -ENOTSUP, "%s: tables of this type cannot be listed",
			      specification);
	else
		r = table->type->dump(table, row, argument, err);
	table_close(table);
	return r;
}
