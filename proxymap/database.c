/* Questions to databases and directories: connections, fail-over, time. Speaks with none itself. */
#include "database.h"

#include <errno.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "conf/conf.h"
#include "database_job.h"
#include "hosts.h"
#include "module.h"
#include "table/server.h"
#include "table/table.h"
#include "task/task.h"

struct idle_connection {
	void *connection;
	msec_t since;
};
struct database {
	char *problem; /* it cannot be asked; or NULL */
	struct database_kind kind;
	struct settings *settings;
	struct matchlist *domains; /* only keys in these are asked; or NULL */
	struct host *hosts;
	size_t host_count;
	struct idle_connection idle[DATABASE_CONNECTIONS_MAX]; /* the one used last at the end */
	size_t idle_count, busy;
	unsigned questions;
	struct waitlist places; /* for who waits for a connection */
};

static struct map *databases;
static const char **files;
static size_t file_count;

bool databases_exist(void)
{
	return databases != NULL && map_count(databases) > 0;
}

const char *const *database_files(size_t *count)
{
	*count = file_count;
	return files;
}

/* ---- opening ---- */

static int database_read_hosts(struct database *db, struct error *err)
{
	const struct driver *driver = db->kind.driver;
	const char *otherwise = driver->one_connection ? "" : "localhost";
	struct view rest = view_of(settings_text(db->settings, driver->hosts_setting, otherwise));
	struct view word;
	unsigned port = driver->port;
	int r = 0;

	if (driver->port_setting != NULL)
		port = (unsigned)settings_number(db->settings, driver->port_setting, port, 1,
						 65535);
	/* A file is its own. */
	if (driver->one_connection) {
		db->hosts = mem_new(struct host);
		db->host_count = 1;
		return 0;
	}
	db->hosts = mem_new_array(struct host, DATABASE_HOSTS_MAX);
	while (r == 0 && view_next_word(&rest, ", \t\r\n", &word)) {
		if (db->host_count == DATABASE_HOSTS_MAX)
			return error_set(err, -EINVAL, "more than %d servers", DATABASE_HOSTS_MAX);
		r = host_parse(word, driver, port, &db->hosts[db->host_count], err);
		db->host_count += r == 0;
	}
	if (r == 0 && db->host_count == 0)
		r = error_set(err, -EINVAL, "%s names no server", driver->hosts_setting);
	return r;
}

static int database_read_domains(struct database *db, struct error *err)
{
	const char *domains = settings_text(db->settings, "domain", "");

	if (domains[0] == '\0')
		return 0;
	db->domains = matchlist_open(domains, MATCH_STRINGS, false, err);
	return db->domains != NULL ? 0 : -EINVAL;
}

static int database_read(struct database *db, struct error *err)
{
	struct database_kind *kind = &db->kind;
	int r = kind->driver->templates(db->settings, kind->templates, err);

	kind->format = settings_text(db->settings, "result_format", NULL);
	if (kind->format == NULL)
		kind->format = settings_text(db->settings, "result_filter", "%s");
	kind->expansion_limit =
		(size_t)settings_number(db->settings, "expansion_limit", 0, 0, 1000000);
	for (size_t i = 0; r == 0 && i < DRIVER_TEMPLATES_MAX; i++)
		if (kind->templates[i] != NULL && expand_check(view_of(kind->templates[i])) < 0)
			r = error_set(err, -EINVAL, "a %% that nobody understands: %s",
				      kind->templates[i]);
	if (r == 0 && expand_check(view_of(kind->format)) < 0)
		r = error_set(err, -EINVAL, "a %% that nobody understands: %s", kind->format);
	if (r == 0)
		r = database_read_domains(db, err);
	if (r == 0)
		r = database_read_hosts(db, err);
	if (r == 0) {
		kind->own = kind->driver->open(db->settings, err);
		r = kind->own != NULL ? 0 : -EINVAL;
	}
	/* Dovecot's file has what is for the other of its two uses. */
	if (r == 0 && kind->fields == NULL)
		settings_report_unused(db->settings);
	return r;
}

static void database_watch(const char *path)
{
	if (path == NULL)
		return;
	for (size_t i = 0; i < file_count; i++)
		if (strcmp(files[i], path) == 0)
			return;
	array_grow(files, file_count);
	files[file_count++] = path;
}

/* A file is opened with the rights that the program begins with. */
static int database_connect_early(struct database *db, struct error *err)
{
	void *connection;

	if (!db->kind.driver->one_connection)
		return 0;
	connection = db->kind.driver->connect(db->kind.own, &db->hosts[0].known, MSEC_FOREVER, err);
	if (connection == NULL)
		return -EIO;
	db->idle[db->idle_count++] = (struct idle_connection){ connection, MSEC_FOREVER };
	return 0;
}

/* Of users and passwords in a file of Dovecot's; *type: of the driver that it needs. */
static struct settings *database_open_dovecot(struct database *db, const char *path, bool passwords,
					      struct view *type, struct error *err)
{
	const char *name = "";
	struct settings *settings;

	db->kind.fields = mem_new(struct dovecot_fields);
	settings = dovecot_settings_open(path, passwords, &name, db->kind.fields, err);
	*type = view_of(name);
	return settings;
}

static int proxymap_database_open(struct database *db, struct view table, struct error *err)
{
	size_t colon = view_find_byte(table, ':');
	struct view type = view_first(table, colon), name = view_from(table, colon + 1);
	_cleanup_free_ char *path = mem_strndup(name.data, name.len);
	bool passwords = table_has_passwords(table);
	int r = 0;

	if (passwords || view_is(type, "dovecot-userdb"))
		db->settings = database_open_dovecot(db, path, passwords, &type, err);
	else
		db->settings = settings_open(name, err);
	if (db->settings == NULL)
		return -EINVAL;
	database_watch(settings_path(db->settings));
	db->kind.driver = module_load(type, err);
	if (db->kind.driver == NULL)
		return -ENOENT;
	r = database_read(db, err);
	return r < 0 ? r : database_connect_early(db, err);
}

void database_add(struct view table)
{
	struct error err = ERROR_NONE;
	struct database *db;

	if (databases == NULL)
		databases = map_new();
	if (map_get(databases, table) != NULL || map_count(databases) >= DATABASE_TABLES_MAX)
		return;
	db = mem_new(struct database);
	WAITLIST_INIT(&db->places);
	db->kind.name = mem_strndup(table.data, table.len);
	map_put(databases, table, db);
	if (proxymap_database_open(db, table, &err) < 0) {
		log_warning("%.*s: %s", VIEW_ARG(table), err.text);
		db->problem = mem_strdup(err.text);
	}
}

static void database_free(struct database *db)
{
	while (db->idle_count > 0)
		db->kind.driver->disconnect(db->idle[--db->idle_count].connection);
	for (size_t i = 0; i < db->host_count; i++)
		host_free(&db->hosts[i]);
	free(db->hosts);
	matchlist_close(db->domains);
	settings_free(db->settings);
	free(db->problem);
	free(db->kind.name);
	free(db);
}

void databases_close(void)
{
	if (databases == NULL)
		return;
	map_for_each (databases, i)
		database_free(map_value_at(databases, i));
	map_free(databases);
	databases = NULL;
	free(files);
	files = NULL;
	file_count = 0;
}

/* ---- connections ---- */

/* One that is idle, or NULL for the right to make one. -ETIMEDOUT: all are busy for too long. */
static int database_take(struct database *db, msec_t deadline, void **connection)
{
	size_t most = db->kind.driver->one_connection ? 1 : DATABASE_CONNECTIONS_MAX;

	while (db->busy >= most)
		if (wait_on(&db->places, deadline) < 0)
			return -ETIMEDOUT;
	db->busy++;
	*connection = NULL;
	while (*connection == NULL && db->idle_count > 0) {
		struct idle_connection *idle = &db->idle[--db->idle_count];

		if (clock_now() - idle->since < DATABASE_IDLE_TIME)
			*connection = idle->connection;
		else
			db->kind.driver->disconnect(idle->connection);
	}
	return 0;
}

static void database_give(struct database *db, void *connection)
{
	if (connection != NULL)
		db->idle[db->idle_count++] = (struct idle_connection){ connection, clock_now() };
	db->busy--;
	wake_one(&db->places);
}

/* ---- asking ---- */

static void database_note_failure(struct host *host, bool was_silent)
{
	host->down_until = clock_after(DATABASE_HOST_PENALTY);
	host->was_silent = was_silent;
}

/*
 * The server to try next: sockets before the network, those that answered before those that
 * refused. NULL: there is none left.
 */
static struct host *database_choose(struct database *db, const bool *tried, size_t begin)
{
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < db->host_count; i++) {
			size_t at = (begin + i) % db->host_count;
			struct host *host = &db->hosts[at];
			bool down = clock_now() < host->down_until;

			if (tried[at] || (down && (round < 2 || host->was_silent)) ||
			    (round == 0 && host->known.path == NULL))
				continue;
			return host;
		}
	}
	return NULL;
}

/* Tries servers in turn with new connections. What the last of them said is in job->err. */
static int database_try_hosts(struct database *db, struct database_job *job)
{
	bool tried[DATABASE_HOSTS_MAX] = { false };
	unsigned begin = 0;
	struct host *host;
	int r = error_set(&job->err, -EAGAIN, "its servers are left alone for a while");

	random_bytes(&begin, sizeof(begin));
	begin %= (unsigned)db->host_count;
	while ((host = database_choose(db, tried, begin)) != NULL && clock_now() < job->deadline) {
		tried[host - db->hosts] = true;
		r = host_resolve(host);
		if (r < 0) {
			error_set(&job->err, r, "%s has no address", host->name);
			database_note_failure(host, false);
			continue;
		}
		database_job_set_host(job, &host->known);
		r = task_blocking(database_job_run, job);
		if (r != -EIO && r != -ETIMEDOUT) {
			host->down_until = 0;
			return r;
		}
		error_prefix(&job->err, "%s",
			     host->specification != NULL ? host->specification : "the file");
		log_warning("%s", job->err.text);
		database_note_failure(host, r == -ETIMEDOUT);
	}
	return r;
}

static int database_run(struct database *db, struct database_job *job)
{
	int r = database_take(db, job->deadline, &job->connection);
	bool was_kept = job->connection != NULL;

	if (r < 0)
		return error_set(&job->err, r, "all its connections are busy");
	if (was_kept)
		r = task_blocking(database_job_run, job);
	/* A connection that is kept may have ended meanwhile: that is no failure yet. */
	if (!was_kept || r == -EIO)
		r = database_try_hosts(db, job);
	database_give(db, job->connection);
	return r;
}

/* Only keys of these domains. 1, 0, or a negative errno with the reason. */
static int database_wants(struct database *db, struct view key, struct error *err)
{
	struct view asker = VIEW_NONE;
	size_t at;
	int r;

	if (db->kind.fields != NULL) {
		at = MIN(view_find_byte(key, TABLE_ASKER_MARK), key.len);
		asker = view_from(key, MIN(at + 1, key.len));
		key = view_first(key, at);
	}
	at = view_find_last_byte(key, '@');
	if (!view_is_utf8(key) || view_has_control(key) || view_has_control(asker))
		return 0;
	if (db->domains == NULL)
		return 1;
	r = matchlist_match(db->domains, at == VIEW_NOT_FOUND ? key : view_from(key, at + 1), NULL);
	return r < 0 ? error_set(err, r, "its domains cannot be looked up") : r;
}

static int database_find(struct view table, struct database **db, struct error *err)
{
	*db = databases != NULL ? map_get(databases, table) : NULL;
	if (*db == NULL)
		return error_set(err, -EACCES, "this table is not configured");
	return (*db)->problem != NULL ? error_set(err, -EAGAIN, "%s", (*db)->problem) : 0;
}

int database_ask(struct view table, struct view key, struct str *value, struct error *err)
{
	struct database_job job = { .key = key, .value = value };
	struct database *db;
	int r = database_find(table, &db, err);

	if (r == 0)
		r = database_wants(db, key, err);
	if (r <= 0)
		return r;
	/* The server is asked when there is a password. */
	if (db->kind.fields != NULL && db->kind.fields->bind_template != NULL) {
		database_append_bind(&db->kind, key, value);
		return 1;
	}
	if (!database_key_suits(&db->kind, key))
		return 0;
	job.kind = &db->kind;
	job.deadline = clock_after(param.table_server_timeout);
	r = database_run(db, &job);
	if (r < 0)
		return error_set(err, -EAGAIN, "%s", job.err.text);
	return value->len > 0;
}

int database_verify(struct view table, struct view key, struct view password, struct error *err)
{
	_cleanup_(str_free) struct str unused = STR_EMPTY;
	struct database_job job = { .key = key, .password = password, .value = &unused };
	struct database *db;
	int r = database_find(table, &db, err);

	if (r == 0 && (db->kind.fields == NULL || !db->kind.fields->binds))
		r = error_set(err, -EINVAL, "this table's server checks no passwords");
	if (r == 0)
		r = database_wants(db, key, err);
	/* Without a password a server of LDAP takes everybody for nobody: that is no success. */
	if (r <= 0 || password.len == 0 || view_find_byte(password, '\0') != VIEW_NOT_FOUND)
		return MIN(r, 0);
	job.kind = &db->kind;
	job.deadline = clock_after(param.table_server_timeout);
	r = database_run(db, &job);
	return r < 0 ? error_set(err, -EAGAIN, "%s", job.err.text) : r;
}
