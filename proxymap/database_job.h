/* One question to a database or directory, as a worker thread does it. */
#ifndef PROXYMAP_DATABASE_JOB_H
#define PROXYMAP_DATABASE_JOB_H

#include "dovecot.h"
#include "driver.h"
#include "expand.h"

/* What does not change between the questions to one table. */
struct database_kind {
	const struct driver *driver;
	void *own; /* the driver's */
	const char *templates[DRIVER_TEMPLATES_MAX], *format;
	size_t expansion_limit;	       /* values of one result; 0: as many as there are */
	struct dovecot_fields *fields; /* the result is of these; or NULL */
	char *name;		       /* of the table */
};

struct database_job {
	const struct database_kind *kind;
	struct view key;
	struct view password; /* with data: it is to be verified; nothing is looked up */
	struct str *value;
	msec_t deadline;
	void *connection; /* NULL: to be made, to `host`. NULL after that: it is no good any more */
	struct driver_host host;
	char address[64]; /* of host */
	size_t values;
	bool has_user; /* an entry with its fields, which may be none but fixed ones */
	struct error err;
};

/* The key has the parts that the templates want; else there is nothing to ask. */
bool database_key_suits(const struct database_kind *kind, struct view key);
void database_job_set_host(struct database_job *job, const struct driver_host *host);
/* Whose password the server checks: what auth is to ask for then. */
void database_append_bind(const struct database_kind *kind, struct view key, struct str *value);
/* For task_blocking(): the result is in *value. As struct driver's `ask`. */
int database_job_run(void *job);

#endif
