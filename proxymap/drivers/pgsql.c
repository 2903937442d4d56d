/* PostgreSQL, by libpq. See driver.h. */
#include "../driver.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>

#include "base/mem.h"

#define KEY_SIZE_MAX 8192 /* bytes of what is escaped */
#define SOCKET_NAME  "/.s.PGSQL."

#define OPTIONS_MAX 64 /* of a connection */

struct pgsql_settings {
	const char *user, *password, *database, *encoding;
	const char *tls[8]; /* as tls_options names them; NULL: not set */
};

/* Settings of libpq that pgsql_table(5) leaves to URLs; Dovecot's files have them by these names. */
static const char *const tls_options[] = {
	"sslmode",
	"sslrootcert",
	"sslcert",
	"sslkey",
	"sslcrl",
	"sslpassword",
	"ssl_min_protocol_version",
	"sslsni",
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
	for (size_t i = 0; i < ARRAY_SIZE(tls_options); i++)
		own->tls[i] = settings_text(settings, tls_options[i], NULL);
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

/* ---- URLs ---- */

/* The value of an option, or NULL. Nobody else has it then. */
static char *pgsql_url_take(PQconninfoOption *options, const char *name)
{
	for (; options->keyword != NULL; options++)
		if (strcmp(options->keyword, name) == 0 && options->val != NULL &&
		    options->val[0] != '\0')
			return options->val;
	return NULL;
}

/* What would have the library find servers by itself, or is not for one server. */
static int pgsql_url_check(PQconninfoOption *options, struct error *err)
{
	const char *host = pgsql_url_take(options, "host");
	const char *address = pgsql_url_take(options, "hostaddr");

	if (pgsql_url_take(options, "service") != NULL)
		return error_set(err, -EINVAL, "\"service\" is not known in a URL here");
	if (host == NULL && address == NULL)
		return error_set(err, -EINVAL, "a URL names no host");
	if ((host != NULL && strchr(host, ',') != NULL) ||
	    (address != NULL && strchr(address, ',') != NULL))
		return error_set(err, -EINVAL, "a URL names more than one host");
	return 0;
}

static void pgsql_driver_url_free(void *more)
{
	PQconninfoFree(more);
}

/* postgresql://user:password@host:port/database?sslmode=verify-full&... */
static int pgsql_driver_url(const char *text, struct driver_url *url, struct error *err)
{
	PQconninfoOption *options = PQconninfoParse(text, NULL);
	const char *host, *address, *port;
	uint32_t number = url->port;
	int r;

	/* The library's own words repeat the password. */
	if (options == NULL)
		return error_set(err, -EINVAL, "a URL makes no sense to libpq");
	r = pgsql_url_check(options, err);
	port = pgsql_url_take(options, "port");
	if (r == 0 && port != NULL && view_parse_u32(view_of(port), 65535, &number) < 0)
		r = error_set(err, -EINVAL, "a URL has a port that is none");
	if (r < 0) {
		PQconninfoFree(options);
		return r;
	}
	host = pgsql_url_take(options, "host");
	address = pgsql_url_take(options, "hostaddr");
	if (address == NULL && host[0] == '/')
		url->path = mem_strdup(host);
	else
		url->host = mem_strdup(address != NULL ? address : host);
	url->port = number;
	url->more = options;
	return 0;
}

/* ---- connections ---- */

struct pgsql_options {
	const char *names[OPTIONS_MAX], *values[OPTIONS_MAX];
	size_t count;
};

/* The last one counts. */
static void pgsql_options_set(struct pgsql_options *options, const char *name, const char *value)
{
	size_t i = 0;

	while (i < options->count && strcmp(options->names[i], name) != 0)
		i++;
	if (value == NULL || i == OPTIONS_MAX - 1)
		return;
	options->names[i] = name;
	options->values[i] = value;
	options->count = MAX(options->count, i + 1);
}

/* What the URL says; the address is the one that the resolver has found. */
static void pgsql_options_of_url(struct pgsql_options *options, const PQconninfoOption *url)
{
	for (; url != NULL && url->keyword != NULL; url++)
		if (url->val != NULL && strcmp(url->keyword, "hostaddr") != 0 &&
		    strcmp(url->keyword, "port") != 0 && strcmp(url->keyword, "gssencmode") != 0)
			pgsql_options_set(options, url->keyword, url->val);
}

static void *pgsql_driver_connect(void *argument, const struct driver_host *host, msec_t deadline,
				  struct error *err)
{
	const struct pgsql_settings *own = argument;
	_cleanup_(str_free) struct str folder = STR_EMPTY, port = STR_EMPTY;
	struct pgsql_options options = { .count = 0 };
	PGconn *connection;

	str_printf(&port, "%u", host->port);
	if (host->path != NULL)
		pgsql_driver_split(host->path, &folder, &port);
	pgsql_options_set(&options, "host", host->path != NULL ? str_cstr(&folder) : host->name);
	pgsql_options_set(&options, "hostaddr", host->path != NULL ? "" : host->address);
	pgsql_options_set(&options, "port", str_cstr(&port));
	pgsql_options_set(&options, "user", own->user);
	pgsql_options_set(&options, "password", own->password);
	pgsql_options_set(&options, "dbname", own->database);
	pgsql_options_set(&options, "client_encoding", own->encoding);
	pgsql_options_set(&options, "passfile", "/dev/null");
	pgsql_options_set(&options, "application_name", "posta");
	pgsql_options_set(&options, "gssencmode", "disable");
	for (size_t i = 0; i < ARRAY_SIZE(tls_options); i++)
		pgsql_options_set(&options, tls_options[i], own->tls[i]);
	pgsql_options_of_url(&options, host->more);

	connection = PQconnectStartParams(options.names, options.values, 0);
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
	.url = pgsql_driver_url,
	.url_free = pgsql_driver_url_free,
	.open = pgsql_driver_open,
	.templates = driver_sql_templates,
	.connect = pgsql_driver_connect,
	.escape = pgsql_driver_escape,
	.ask = pgsql_driver_ask,
	.disconnect = pgsql_driver_disconnect,
};
