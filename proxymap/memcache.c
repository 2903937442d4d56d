/* Questions to memcached and to what is behind it. Connections are server.c's. */
#include "memcache.h"

#include <errno.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "database.h"
#include "expand.h"
#include "reply.h"
#include "server.h"
#include "settings.h"
#include "table/server.h"
#include "table/table.h"
#include "task/task.h"

struct memcache {
	char *problem; /* it cannot be asked; or NULL */
	char *name;
	struct settings *settings;
	struct server *server;
	struct matchlist *domains; /* only keys in these are asked; or NULL */
	const char *key_format, *backup;
	struct table *backup_table; /* of files; NULL: it is a server, or there is none */
	uint32_t flags, ttl;
	size_t data_limit;
	int tries;
	msec_t pause, timeout;
};

static struct map *memcaches;

/* ---- opening ---- */

static int memcache_open_backup(struct memcache *m, struct error *err)
{
	struct view name = view_of(settings_text(m->settings, "backup", ""));

	while (view_starts(name, VIEW("proxy:")))
		name = view_from(name, strlen("proxy:"));
	if (name.len == 0)
		return 0;
	m->backup = name.data;
	if (table_is_memcache(name))
		return error_set(err, -EINVAL, "backup: one memcache is none of another");
	if (table_is_database(name))
		database_add(name);
	if (table_is_server(name))
		return 0;
	m->backup_table = table_open(name, 0, err);
	return m->backup_table != NULL ? 0 : -EINVAL;
}

static void memcache_read_limits(struct memcache *m)
{
	struct settings *s = m->settings;

	m->flags = (uint32_t)settings_number(s, "flags", 0, 0, UINT32_MAX);
	m->ttl = (uint32_t)settings_number(s, "ttl", 3600, 0, MEMCACHE_TTL_MAX);
	m->data_limit = (size_t)settings_number(s, "data_size_limit", 10240, 1, TABLE_VALUE_MAX);
	m->tries = (int)settings_number(s, "max_try", 2, 1, MEMCACHE_TRIES_MAX);
	m->pause = 1000 * (msec_t)settings_number(s, "retry_pause", 1, 0, MEMCACHE_PAUSE_MAX);
	m->timeout = 1000 * (msec_t)settings_number(s, "timeout", 2, 1, 3600);
	/* Lines of the protocol are bounded here anyway. */
	(void)settings_text(s, "line_size_limit", NULL);
}

static int memcache_read(struct memcache *m, struct error *err)
{
	const char *where = settings_text(m->settings, "memcache", "inet:localhost:11211");
	const char *domains = settings_text(m->settings, "domain", "");
	struct view endpoint = view_of(where);

	m->key_format = settings_text(m->settings, "key_format", "%s");
	if (expand_check(view_of(m->key_format)) < 0)
		return error_set(err, -EINVAL, "a %% that nobody understands: %s", m->key_format);
	if ((!view_starts(endpoint, VIEW("inet:")) && !view_starts(endpoint, VIEW("unix:"))) ||
	    endpoint.len == strlen("inet:"))
		return error_set(err, -EINVAL,
				 "memcache: expected inet:host:port or unix:/path, not %s", where);
	if (domains[0] != '\0') {
		m->domains = matchlist_open(domains, MATCH_STRINGS, false, err);
		if (m->domains == NULL)
			return -EINVAL;
	}
	m->server = server_new(view_of(m->name), endpoint, TABLE_SERVER_MEMCACHE);
	memcache_read_limits(m);
	return memcache_open_backup(m, err);
}

int memcache_add(struct view table, struct error *err)
{
	struct error problem = ERROR_NONE;
	struct memcache *m;
	const char *path;

	if (memcaches == NULL)
		memcaches = map_new();
	if (map_get(memcaches, table) != NULL || map_count(memcaches) >= MEMCACHE_TABLES_MAX)
		return 0;
	m = mem_new(struct memcache);
	m->name = mem_strndup(table.data, table.len);
	map_put(memcaches, table, m);
	m->settings = settings_open(view_from(table, strlen("memcache:")), &problem);
	if (m->settings == NULL || memcache_read(m, &problem) < 0) {
		log_warning("%s: %s", m->name, problem.text);
		m->problem = mem_strdup(problem.text);
	}
	if (m->settings == NULL)
		return 0;
	settings_report_unused(m->settings);
	path = settings_path(m->settings);
	return path != NULL ? table_watch_files(&path, 1, err) : 0;
}

/* ---- the server ---- */

static int memcache_append_plain(void *unused, struct view text, struct str *out)
{
	(void)unused;
	str_append(out, text);
	return 0;
}

/* The key as the server has it. False: it can have no such key. */
static bool memcache_key(const struct memcache *m, struct view key, struct str *out)
{
	if (expand_question(view_of(m->key_format), key, memcache_append_plain, NULL, out) != 1 ||
	    out->len == 0 || out->len > MEMCACHE_KEY_MAX)
		return false;
	for (size_t i = 0; i < out->len; i++)
		if ((unsigned char)out->data[i] <= ' ' || out->data[i] == 127)
			return false;
	return true;
}

/* As often as it may be tried. 1, 0: it does not have it, or a negative errno with the reason. */
static int memcache_talk(struct memcache *m, struct view question, struct str *value,
			 struct error *err)
{
	msec_t deadline = clock_after(param.table_server_timeout);
	int r = -EAGAIN;

	for (int i = 0; i < m->tries && r < 0; i++) {
		if (i > 0 && (clock_now() + m->pause >= deadline || task_pause(m->pause) < 0))
			break;
		r = server_talk(m->server, question, MIN(m->timeout, deadline - clock_now()), value,
				err);
	}
	return r;
}

static int memcache_get(struct memcache *m, struct view key, struct str *value, struct error *err)
{
	_cleanup_(str_free) struct str question = STR_EMPTY;
	size_t before = value->len;
	int r;

	str_printf(&question, "get %.*s\r\n", VIEW_ARG(key));
	r = memcache_talk(m, str_view(&question), value, err);
	if (value->len - before <= m->data_limit)
		return r;
	str_truncate(value, before);
	return error_set(err, -EFBIG, "a value is longer than data_size_limit");
}

/* What cannot be remembered is asked of the backup once more. */
static void memcache_set(struct memcache *m, struct view key, struct view value)
{
	_cleanup_(str_free) struct str question = STR_EMPTY, unused = STR_EMPTY;
	struct error err = ERROR_NONE;

	if (value.len > m->data_limit)
		return;
	str_printf(&question, "set %.*s %u %u %zu\r\n", VIEW_ARG(key), m->flags, m->ttl, value.len);
	str_append(&question, value);
	str_append(&question, VIEW("\r\n"));
	if (memcache_talk(m, str_view(&question), &unused, &err) < 0)
		log_warning("%s: not remembered: %s", m->name, err.text);
}

/* ---- both ---- */

static int backup_ask(struct memcache *m, struct view key, struct str *value, struct error *err)
{
	struct view name = view_of(m->backup);

	if (table_is_database(name))
		return database_ask(name, key, value, err);
	if (m->backup_table == NULL)
		return server_ask(name, key, value, err);
	return table_lookup(m->backup_table, key, value, err);
}

static int memcache_wants(struct memcache *m, struct view key, struct error *err)
{
	size_t at = view_find_last_byte(key, '@');
	int r;

	if (m->domains == NULL)
		return 1;
	r = matchlist_match(m->domains, at == VIEW_NOT_FOUND ? key : view_from(key, at + 1), NULL);
	return r < 0 ? error_set(err, r, "its domains cannot be looked up") : r;
}

int memcache_ask(struct view table, struct view key, struct str *value, struct error *err)
{
	struct memcache *m = memcaches != NULL ? map_get(memcaches, table) : NULL;
	_cleanup_(str_free) struct str known = STR_EMPTY, found = STR_EMPTY;
	bool has_key;
	int r;

	if (m == NULL)
		return error_set(err, -EACCES, "this table is not configured");
	if (m->problem != NULL)
		return error_set(err, -EAGAIN, "%s", m->problem);
	/* Part of it might be left out of the server's key: others would have its value for theirs. */
	if (view_has_control(key))
		return 0;
	r = memcache_wants(m, key, err);
	if (r <= 0)
		return r;
	has_key = memcache_key(m, key, &known);
	r = has_key ? memcache_get(m, str_view(&known), value, err) : 0;
	if (r > 0 || m->backup == NULL)
		return r;
	if (r < 0)
		log_warning("%s: %s", m->name, err->text);
	has_key = has_key && r == 0;
	r = backup_ask(m, key, &found, err);
	if (r > 0 && has_key)
		memcache_set(m, str_view(&known), str_view(&found));
	if (r > 0)
		str_append(value, str_view(&found));
	return r;
}
