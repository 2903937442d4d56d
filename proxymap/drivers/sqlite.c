/* SQLite: a file, opened for reading. See driver.h. */
#include "../driver.h"

#include <errno.h>
#include <sqlite3.h>

#include "base/mem.h"

#define STEPS_BETWEEN_LOOKS 10000 /* of SQLite's machine, before it is asked what time it is */

struct sqlite_settings {
	const char *path;
};

extern const struct driver proxymap_driver;

static void *sqlite_driver_open(struct settings *settings, struct error *err)
{
	struct sqlite_settings *own = mem_new(struct sqlite_settings);

	own->path = settings_text(settings, "dbpath", NULL);
	if (own->path != NULL && own->path[0] == '/')
		return own;
	error_set(err, -EINVAL, "dbpath is no absolute path");
	free(own);
	return NULL;
}

static void *sqlite_driver_connect(void *argument, const struct driver_host *host, msec_t deadline,
				   struct error *err)
{
	const struct sqlite_settings *own = argument;
	sqlite3 *db = NULL;

	(void)host;
	(void)deadline;
	if (sqlite3_open_v2(own->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_FULLMUTEX, NULL) ==
	    SQLITE_OK) {
		/* No extension and no file but this one, whatever the query says. */
		sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
		return db;
	}
	error_set(err, -EIO, "%s: %s", own->path,
		  db != NULL ? sqlite3_errmsg(db) : "out of memory");
	sqlite3_close(db);
	return NULL;
}

static int sqlite_driver_escape(void *connection, int number, struct view text, struct str *out)
{
	(void)connection;
	(void)number;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\0')
			return -EILSEQ;
		if (text.data[i] == '\'')
			str_append_byte(out, '\'');
		str_append_byte(out, text.data[i]);
	}
	return 0;
}

static int sqlite_driver_is_late(void *deadline)
{
	return clock_now() >= *(const msec_t *)deadline;
}

static int sqlite_driver_step(sqlite3 *db, sqlite3_stmt *statement, driver_value *value,
			      void *argument, struct error *err)
{
	int r = 0, state, columns = sqlite3_column_count(statement);

	for (size_t row = 0; (state = sqlite3_step(statement)) == SQLITE_ROW && r == 0; row++)
		for (int i = 0; r == 0 && i < columns; i++) {
			const unsigned char *text = sqlite3_column_text(statement, i);
			struct driver_cell cell = {
				row, (unsigned)i, sqlite3_column_name(statement, i),
				view_make(text, (size_t)sqlite3_column_bytes(statement, i))
			};

			if (text != NULL)
				r = value(argument, &cell);
		}
	if (r < 0 || state == SQLITE_DONE)
		return r;
	return error_set(err, state == SQLITE_INTERRUPT ? -ETIMEDOUT : -EIO, "%s",
			 sqlite3_errmsg(db));
}

static int sqlite_driver_ask(void *connection, const struct str questions[DRIVER_TEMPLATES_MAX],
			     msec_t deadline, driver_value *value, void *argument,
			     struct error *err)
{
	sqlite3 *db = connection;
	sqlite3_stmt *statement = NULL;
	msec_t left = deadline - clock_now();
	int r;

	sqlite3_busy_timeout(db, (int)MAX(MIN(left, (msec_t)60000), (msec_t)1));
	sqlite3_progress_handler(db, STEPS_BETWEEN_LOOKS, sqlite_driver_is_late, &deadline);
	r = sqlite3_prepare_v2(db, str_cstr(&questions[0]), -1, &statement, NULL);
	if (r == SQLITE_OK && statement != NULL)
		r = sqlite_driver_step(db, statement, value, argument, err);
	else
		r = error_set(err, r == SQLITE_ERROR ? -EPROTO : -EIO, "%s",
			      statement == NULL && r == SQLITE_OK ? "the query is empty"
								  : sqlite3_errmsg(db));
	sqlite3_finalize(statement);
	sqlite3_progress_handler(db, 0, NULL, NULL);
	return r;
}

static void sqlite_driver_disconnect(void *connection)
{
	sqlite3_close(connection);
}

const struct driver proxymap_driver = {
	.name = "sqlite",
	.hosts_setting = "",
	.one_connection = true,
	.one_column = true,
	.open = sqlite_driver_open,
	.templates = driver_sql_templates,
	.connect = sqlite_driver_connect,
	.escape = sqlite_driver_escape,
	.ask = sqlite_driver_ask,
	.disconnect = sqlite_driver_disconnect,
};
