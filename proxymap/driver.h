/*
 * What proxymap has to have of a client library of a database or directory. Each is a module that
 * is loaded when a table needs it, so that no program carries libraries that nobody uses.
 *
 * `open` runs before the program is confined; all others run in worker threads, one at a time for
 * each connection. They touch neither tasks nor the log, and say what is wrong in an error.
 */
#ifndef PROXYMAP_DRIVER_H
#define PROXYMAP_DRIVER_H

#include "base/clock.h"
#include "base/str.h"
#include "settings.h"

/* One of the servers that "hosts" or "server_host" names. */
struct driver_host {
	const char *name;    /* as it was given: of a host, without its port */
	const char *address; /* of it, as text; NULL: it is no host of the network */
	const char *path;    /* of a UNIX socket or of a file; NULL: none */
	unsigned port;
	bool tls;	  /* from the first byte: ldaps: */
	const void *more; /* what else its URL says; NULL: it has none that the driver reads */
};

/* What a driver takes out of a server's URL of its own. */
struct driver_url {
	char *host; /* name or address; or NULL */
	char *path; /* of a UNIX socket, or of the folder where it is; or NULL */
	unsigned port;
	void *more;
};

/* One value of a result. */
struct driver_cell {
	size_t row;
	unsigned column;
	const char *name; /* of the column, or of the attribute */
	struct view value;
};
/* Takes one. 0, or a negative errno: that is enough. */
typedef int driver_value(void *argument, const struct driver_cell *cell);

#define DRIVER_TEMPLATES_MAX 2

struct driver {
	const char *name; /* of the type of table */
	unsigned port;
	/* What "localhost" means, and where no host is named; NULL: 127.0.0.1. */
	const char *local_socket;
	const char *hosts_setting; /* "hosts" */
	const char *port_setting;  /* of hosts that are named without one; or NULL */
	bool one_connection;	   /* which is made before the program is confined: of a file */
	bool one_column;	   /* only the first of a row is for Postfix's tables */
	/*
	 * Takes the URL of a server apart; it has a password in it perhaps, which no error repeats.
	 * 0, or -EINVAL with the reason. NULL: there are none but LDAP's.
	 */
	int (*url)(const char *text, struct driver_url *url, struct error *err);
	void (*url_free)(void *more);
	/* Reads what the driver itself has to know. NULL with the reason. */
	void *(*open)(struct settings *settings, struct error *err);
	/* The templates of a question. Text that lives as long as the settings or is never freed. */
	int (*templates)(struct settings *settings, const char *templates[DRIVER_TEMPLATES_MAX],
			 struct error *err);
	/* NULL with the reason. `deadline` as of clock_now(). */
	void *(*connect)(void *own, const struct driver_host *host, msec_t deadline,
			 struct error *err);
	/* For the template with this number. 0; -EILSEQ: no such text can be there. */
	int (*escape)(void *connection, int number, struct view text, struct str *out);
	/*
	 * 0; -EIO: the connection is no good any more; -ETIMEDOUT; what `value` said; others: the
	 * server refuses the question.
	 */
	int (*ask)(void *connection, const struct str questions[DRIVER_TEMPLATES_MAX],
		   msec_t deadline, driver_value *value, void *argument, struct error *err);
	void (*disconnect)(void *connection);
	/*
	 * Whether the server takes this password: of the entry with the name `who` or, where that is
	 * NULL, of the one that the questions find. 1, 0, or as `ask`. The connection is not to be
	 * used again. NULL: the driver's servers know no passwords.
	 */
	int (*verify)(void *connection, const struct str questions[DRIVER_TEMPLATES_MAX],
		      const char *who, struct view password, msec_t deadline, struct error *err);
};

/* The name under which a module has its struct driver. */
#define DRIVER_SYMBOL "proxymap_driver"

/* SQL's templates: "query", else of the older select_field, table and where_field. */
int driver_sql_templates(struct settings *settings, const char *templates[DRIVER_TEMPLATES_MAX],
			 struct error *err);

#endif
