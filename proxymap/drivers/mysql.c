/* MySQL and MariaDB, by the client library of MariaDB. See driver.h. */
#include "../driver.h"

#include <errno.h>
#include <mysql.h>
#include <stdio.h>

#include "base/mem.h"

/* Numbers of errors that the library itself makes; others are the server's. */
#define CLIENT_ERROR_FIRST 2000
#define CLIENT_ERROR_LAST  2999
/* MYSQL_CLIENT_AUTHENTICATION_PLUGIN of a header that Debian's package does not have all of. */
#define LOGIN_PLUGIN	2
#define SERVER_SHUTDOWN 1053
#define KEY_SIZE_MAX	8192 /* bytes of what is escaped */

struct mysql_settings {
	const char *user, *password, *database, *charset;
	const char *option_file, *option_group;
	const char *tls_key, *tls_cert, *tls_ca_file, *tls_ca_path, *tls_ciphers;
	my_bool verify;
	bool tls, needs_result;
};

extern const struct driver proxymap_driver;

/* Ways to log in that a server may ask for: loaded now, for later nothing can be. */
static void mysql_load_logins(void)
{
	static const char *const names[] = { "caching_sha2_password", "sha256_password",
					     "client_ed25519" };
	MYSQL *mysql = mysql_init(NULL);

	for (size_t i = 0; mysql != NULL && i < ARRAY_SIZE(names); i++)
		(void)mysql_load_plugin(mysql, names[i], LOGIN_PLUGIN, 0);
	if (mysql != NULL)
		mysql_close(mysql);
}

static void *mysql_driver_open(struct settings *settings, struct error *err)
{
	struct mysql_settings *own = mem_new(struct mysql_settings);

	own->user = settings_text(settings, "user", "");
	own->password = settings_text(settings, "password", "");
	own->database = settings_text(settings, "dbname", "");
	own->charset = settings_text(settings, "charset", "utf8mb4");
	own->option_file = settings_text(settings, "option_file", NULL);
	own->option_group = settings_text(settings, "option_group", NULL);
	own->tls_key = settings_text(settings, "tls_key_file", NULL);
	own->tls_cert = settings_text(settings, "tls_cert_file", NULL);
	own->tls_ca_file = settings_text(settings, "tls_CAfile", NULL);
	own->tls_ca_path = settings_text(settings, "tls_CApath", NULL);
	own->tls_ciphers = settings_text(settings, "tls_ciphers", NULL);
	own->verify = settings_flag(settings, "tls_verify_cert", false);
	own->needs_result = settings_flag(settings, "require_result_set", true);
	own->tls = own->tls_key != NULL || own->tls_cert != NULL || own->tls_ca_file != NULL ||
		   own->tls_ca_path != NULL || own->tls_ciphers != NULL || own->verify;
	if (mysql_server_init(0, NULL, NULL) != 0) {
		error_set(err, -EIO, "the library of MariaDB cannot be used");
		free(own);
		return NULL;
	}
	mysql_load_logins();
	return own;
}

/* A statement of SQL may take as long as the whole question. */
static void mysql_driver_set_times(MYSQL *mysql, msec_t deadline)
{
	msec_t left = deadline - clock_now();
	unsigned seconds = left < 1000 ? 1 : (unsigned)(left / 1000);

	mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
	mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &seconds);
	mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
}

static void mysql_driver_set_tls(MYSQL *mysql, const struct mysql_settings *own)
{
	my_bool enforce = 1;

	if (!own->tls)
		return;
	mysql_ssl_set(mysql, own->tls_key, own->tls_cert, own->tls_ca_file, own->tls_ca_path,
		      own->tls_ciphers);
	mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &enforce);
	mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &own->verify);
}

static void *mysql_driver_connect(void *argument, const struct driver_host *host, msec_t deadline,
				  struct error *err)
{
	const struct mysql_settings *own = argument;
	/* The library compares the name with the certificate, and must then look it up itself. */
	const char *where = own->verify && host->name != NULL ? host->name : host->address;
	MYSQL *mysql = mysql_init(NULL);
	unsigned no_files = 0, network = MYSQL_PROTOCOL_TCP;
	const char *reason;

	if (mysql == NULL)
		mem_exhausted();
	mysql_driver_set_times(mysql, deadline);
	mysql_driver_set_tls(mysql, own);
	/* "localhost" with a port is no socket. */
	if (host->path == NULL)
		mysql_options(mysql, MYSQL_OPT_PROTOCOL, &network);
	mysql_options(mysql, MYSQL_SET_CHARSET_NAME, own->charset);
	/* No server gets a file of ours by asking for it. */
	mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &no_files);
	if (own->option_file != NULL)
		mysql_options(mysql, MYSQL_READ_DEFAULT_FILE, own->option_file);
	if (own->option_group != NULL)
		mysql_options(mysql, MYSQL_READ_DEFAULT_GROUP, own->option_group);
	if (mysql_real_connect(mysql, host->path != NULL ? "localhost" : where, own->user,
			       own->password, own->database, host->path == NULL ? host->port : 0,
			       host->path, CLIENT_MULTI_RESULTS) == NULL)
		reason = mysql_error(mysql);
	/* The library goes on without TLS where the server has none. */
	else if (own->tls && host->path == NULL && mysql_get_ssl_cipher(mysql) == NULL)
		reason = "it has no TLS";
	else
		return mysql;
	error_set(err, -EIO, "%s", reason);
	mysql_close(mysql);
	return NULL;
}

static int mysql_driver_escape(void *connection, int number, struct view text, struct str *out)
{
	unsigned long len;

	(void)number;
	if (text.len > KEY_SIZE_MAX)
		return -EILSEQ;
	len = mysql_real_escape_string(connection, str_reserve(out, text.len * 2 + 1), text.data,
				       text.len);
	if (len > text.len * 2)
		return -EILSEQ;
	str_grow(out, len);
	return 0;
}

static int mysql_driver_fail(MYSQL *mysql, msec_t deadline, struct error *err)
{
	unsigned number = mysql_errno(mysql);
	bool lost = (number >= CLIENT_ERROR_FIRST && number <= CLIENT_ERROR_LAST) ||
		    number == SERVER_SHUTDOWN;

	return error_set(err,
			 !lost			   ? -EPROTO
			 : clock_now() >= deadline ? -ETIMEDOUT
						   : -EIO,
			 "%s", mysql_error(mysql));
}

static int mysql_driver_take_rows(MYSQL_RES *result, driver_value *value, void *argument)
{
	unsigned columns = mysql_num_fields(result);
	const MYSQL_FIELD *fields = mysql_fetch_fields(result);
	MYSQL_ROW row;
	int r = 0;

	for (size_t number = 0; r == 0 && (row = mysql_fetch_row(result)) != NULL; number++) {
		const unsigned long *lengths = mysql_fetch_lengths(result);

		for (unsigned i = 0; r == 0 && i < columns; i++) {
			struct driver_cell cell = { number, i, fields[i].name,
						    view_make(row[i], lengths[i]) };

			if (row[i] != NULL)
				r = value(argument, &cell);
		}
	}
	return r;
}

static int mysql_driver_ask(void *connection, const struct str questions[DRIVER_TEMPLATES_MAX],
			    msec_t deadline, driver_value *value, void *argument, struct error *err)
{
	MYSQL *mysql = connection;
	const struct str *question = &questions[0];
	bool has_result = false;
	int more, r = 0;

	if (mysql_real_query(mysql, question->data, question->len) != 0)
		return mysql_driver_fail(mysql, deadline, err);
	/* A stored procedure has its own result, and one that says how it ended. */
	do {
		MYSQL_RES *result = mysql_store_result(mysql);

		if (result == NULL && mysql_errno(mysql) != 0)
			return mysql_driver_fail(mysql, deadline, err);
		if (result != NULL && !has_result)
			r = mysql_driver_take_rows(result, value, argument);
		has_result |= result != NULL;
		if (result != NULL)
			mysql_free_result(result);
		more = mysql_next_result(mysql);
	} while (r == 0 && more == 0);
	if (r == 0 && more > 0)
		return mysql_driver_fail(mysql, deadline, err);
	if (r == 0 && !has_result)
		return error_set(err, -EPROTO, "the query has no result (require_result_set)");
	return r;
}

static void mysql_driver_disconnect(void *connection)
{
	mysql_close(connection);
}

const struct driver proxymap_driver = {
	.name = "mysql",
	.port = 3306,
	.local_socket = "/run/mysqld/mysqld.sock",
	.hosts_setting = "hosts",
	.port_setting = "port",
	.open = mysql_driver_open,
	.templates = driver_sql_templates,
	.connect = mysql_driver_connect,
	.escape = mysql_driver_escape,
	.ask = mysql_driver_ask,
	.disconnect = mysql_driver_disconnect,
};
