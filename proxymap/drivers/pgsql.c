/* PostgreSQL, by libpq. See driver.h. */
#include "../driver.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>

#include "base/mem.h"

#define KEY_SIZE_MAX 8192 /* bytes of what is escaped */
#define SOCKET_NAME  "/.s.PGSQL."

struct pgsql_settings {
	const char *user, *password, *database, *encoding;
};

extern const struct driver proxymap_driver;

static void *pgsql_driver_open(struct settings *settings, struct error *err)
{
	struct pgsql_settings *own = mem_new(struct pgsql_settings);

	(void)err;
	own->user = settings_text(settings, "user", "");
	own->password = settings_text(settings, "password", "");
	own->database = settings_text(settings, "dbname", "");
	own->encoding = settings_text(settings, "encoding", "UTF8");
	return own;
}

/* 0, or -ETIMEDOUT. */
static int pgsql_driver_wait(PGconn *connection, short events, msec_t deadline)
{
	struct pollfd wanted = { .fd = PQsocket(connection), .events = events };
	msec_t left = deadline - clock_now();
	int n;

	do
		n = left <= 0 ? 0 : poll(&wanted, 1, (int)MIN(left, (msec_t)INT32_MAX));
	while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : -ETIMEDOUT;
}

static bool pgsql_driver_has_connected(PGconn *connection, msec_t deadline)
{
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;

	while (state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING) {
		if (pgsql_driver_wait(connection, state == PGRES_POLLING_READING ? POLLIN : POLLOUT,
				      deadline) < 0)
			return false;
		state = PQconnectPoll(connection);
	}
	return state == PGRES_POLLING_OK;
}

/* The folder of "/run/postgresql/.s.PGSQL.5433", whose end is the port; else the path is it. */
static void pgsql_driver_split(const char *path, struct str *folder, struct str *port)
{
	size_t at = view_find(view_of(path), VIEW(SOCKET_NAME));

	str_append(folder, view_first(view_of(path), at));
	if (at == VIEW_NOT_FOUND)
		return;
	str_clear(port);
	str_append_cstr(port, path + at + strlen(SOCKET_NAME));
}

static void *pgsql_driver_connect(void *argument, const struct driver_host *host, msec_t deadline,
				  struct error *err)
{
	const struct pgsql_settings *own = argument;
	_cleanup_(str_free) struct str folder = STR_EMPTY, port = STR_EMPTY;
	PGconn *connection;

	str_printf(&port, "%u", host->port);
	if (host->path != NULL)
		pgsql_driver_split(host->path, &folder, &port);

	const char *names[] = { "host",	    "hostaddr",		"port",	      "user",
				"password", "dbname",		"gssencmode", "client_encoding",
				"passfile", "application_name", NULL };
	const char *values[] = { host->path != NULL ? str_cstr(&folder) : host->name,
				 host->path != NULL ? "" : host->address,
				 str_cstr(&port),
				 own->user,
				 own->password,
				 own->database,
				 "disable",
				 own->encoding,
				 "/dev/null",
				 "posta",
				 NULL };

	connection = PQconnectStartParams(names, values, 0);
	if (connection == NULL)
		mem_exhausted();
	if (PQstatus(connection) != CONNECTION_BAD &&
	    pgsql_driver_has_connected(connection, deadline) &&
	    PQsetnonblocking(connection, 1) == 0)
		return connection;
	error_set(err, -EIO, "%s",
		  PQstatus(connection) == CONNECTION_BAD ? PQerrorMessage(connection)
							 : "it does not answer");
	PQfinish(connection);
	return NULL;
}

static int pgsql_driver_escape(void *connection, int number, struct view text, struct str *out)
{
	int failed = 0;
	size_t len;

	(void)number;
	if (text.len > KEY_SIZE_MAX)
		return -EILSEQ;
	len = PQescapeStringConn(connection, str_reserve(out, text.len * 2 + 1), text.data,
				 text.len, &failed);
	if (failed)
		return -EILSEQ;
	str_grow(out, len);
	return 0;
}

static int pgsql_driver_lost(PGconn *connection, struct error *err)
{
	return error_set(err, -EIO, "%s", PQerrorMessage(connection));
}

static int pgsql_driver_take_rows(const PGresult *result, driver_value *value, void *argument)
{
	int r = 0;

	for (int row = 0; r == 0 && row < PQntuples(result); row++)
		for (int column = 0; r == 0 && column < PQnfields(result); column++) {
			struct driver_cell cell = {
				(size_t)row, (unsigned)column, PQfname(result, column),
				view_make(PQgetvalue(result, row, column),
					  (size_t)PQgetlength(result, row, column))
			};

			if (!PQgetisnull(result, row, column))
				r = value(argument, &cell);
		}
	return r;
}

static int pgsql_driver_take(PGconn *connection, const PGresult *result, driver_value *value,
			     void *argument, struct error *err)
{
	const char *state;

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return pgsql_driver_take_rows(result, value, argument);
	if (PQresultStatus(result) == PGRES_COMMAND_OK)
		return error_set(err, -EPROTO, "the query has no result");
	state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	/* Class 57: the server is shutting down, and the like. */
	if (state == NULL || strncmp(state, "57", 2) == 0 || strncmp(state, "08", 2) == 0)
		return pgsql_driver_lost(connection, err);
	return error_set(err, -EPROTO, "%s", PQresultErrorMessage(result));
}

/* Sends what is still to be sent, and reads until a result is whole. */
static int pgsql_driver_fetch(PGconn *connection, msec_t deadline, PGresult **result,
			      struct error *err)
{
	int unsent = 1;

	while (unsent > 0 || PQisBusy(connection)) {
		if (unsent > 0)
			unsent = PQflush(connection);
		if (unsent < 0)
			return pgsql_driver_lost(connection, err);
		if (unsent == 0 && !PQisBusy(connection))
			break;
		if (pgsql_driver_wait(connection, unsent > 0 ? POLLIN | POLLOUT : POLLIN,
				      deadline) < 0)
			return error_set(err, -ETIMEDOUT, "it does not answer");
		if (PQconsumeInput(connection) == 0)
			return pgsql_driver_lost(connection, err);
	}
	*result = PQgetResult(connection);
	return 0;
}

static int pgsql_driver_ask(void *argument, const struct str questions[DRIVER_TEMPLATES_MAX],
			    msec_t deadline, driver_value *value, void *owner, struct error *err)
{
	PGconn *connection = argument;
	int r;

	if (PQsendQuery(connection, str_cstr(&questions[0])) == 0)
		return pgsql_driver_lost(connection, err);
	for (;;) {
		PGresult *result = NULL;

		r = pgsql_driver_fetch(connection, deadline, &result, err);
		if (r < 0 || result == NULL)
			return r;
		r = pgsql_driver_take(connection, result, value, owner, err);
		PQclear(result);
		if (r < 0)
			return r;
	}
}

static void pgsql_driver_disconnect(void *connection)
{
	PQfinish(connection);
}

const struct driver proxymap_driver = {
	.name = "pgsql",
	.port = 5432,
	.hosts_setting = "hosts",
	.port_setting = "port",
	.open = pgsql_driver_open,
	.templates = driver_sql_templates,
	.connect = pgsql_driver_connect,
	.escape = pgsql_driver_escape,
	.ask = pgsql_driver_ask,
	.disconnect = pgsql_driver_disconnect,
};
