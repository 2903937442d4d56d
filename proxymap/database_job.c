/* Making the question, and the result of what came. Runs in a worker thread. */
#include "database_job.h"

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "table/table.h"

static int append_as_it_is(void *unused, struct view text, struct str *out)
{
	(void)unused;
	str_append(out, text);
	return 0;
}

bool database_key_suits(const struct database_kind *kind, struct view key)
{
	_cleanup_(str_free) struct str unused = STR_EMPTY;
	bool suits = true;

	for (size_t i = 0; i < DRIVER_TEMPLATES_MAX && suits; i++)
		if (kind->templates[i] != NULL)
			suits = expand_question(view_of(kind->templates[i]), key, append_as_it_is,
						NULL, &unused) == 1;
	return suits;
}

void database_job_set_host(struct database_job *job, const struct driver_host *host)
{
	job->host = *host;
	/* The host's own may be looked up anew meanwhile. */
	if (host->address != NULL) {
		snprintf(job->address, sizeof(job->address), "%s", host->address);
		job->host.address = job->address;
	}
}

struct escaping {
	struct database_job *job;
	int number;
};

static int job_escape(void *argument, struct view text, struct str *out)
{
	struct escaping *e = argument;

	return e->job->kind->driver->escape(e->job->connection, e->number, text, out);
}

/* One field of a user, after a tab. */
static int job_add_field(struct database_job *job, const char *name, struct view value)
{
	const struct dovecot_fields *fields = job->kind->fields;
	bool is_password = view_is(view_of(name), "password");

	str_printf(job->value, "\t%s=", name);
	if (is_password && fields->scheme != NULL && !view_starts(value, VIEW("{")))
		str_printf(job->value, "{%s}", fields->scheme);
	str_append(job->value, value);
	return job->value->len <= TABLE_VALUE_MAX
		       ? 0
		       : error_set(&job->err, -EFBIG, "a user's fields are too long");
}

static int job_take_field(struct database_job *job, const struct driver_cell *cell)
{
	const char *name = dovecot_field_of(job->kind->fields, cell->name);
	_cleanup_(str_free) struct str start = STR_EMPTY;

	if (cell->row > 0)
		return error_set(&job->err, -EBADMSG, "it has this user more than once");
	job->has_user = job->has_user || name != NULL;
	str_printf(&start, "\t%s=", name != NULL ? name : "");
	/* Of several values of an attribute the first counts. */
	if (name == NULL || name[0] == '\0' ||
	    view_find(str_view(job->value), str_view(&start)) != VIEW_NOT_FOUND)
		return 0;
	return job_add_field(job, name, cell->value);
}

static int job_add_fixed_fields(struct database_job *job)
{
	const struct dovecot_fields *fields = job->kind->fields;
	int r = 0;

	for (size_t i = 0; r == 0 && i < fields->fixed_count; i++) {
		_cleanup_(str_free) struct str value = STR_EMPTY;

		if (expand_question(view_of(fields->fixed[i].template), job->key, append_as_it_is,
				    NULL, &value) == 1)
			r = job_add_field(job, fields->fixed[i].field, str_view(&value));
	}
	return r;
}

void database_append_bind(const struct database_kind *kind, struct view key, struct str *value)
{
	str_printf(value, "\tpassword=" DOVECOT_BIND_SCHEME "%s %.*s", kind->name, VIEW_ARG(key));
}

static int job_take_value(void *argument, const struct driver_cell *cell)
{
	struct database_job *job = argument;
	const struct database_kind *kind = job->kind;
	struct view value = cell->value;

	if (view_has_control(value))
		return error_set(&job->err, -EBADMSG, "a value with control characters");
	if (kind->fields != NULL)
		return job_take_field(job, cell);
	if (cell->column > 0 && kind->driver->one_column)
		return 0;
	if (expand_result(view_of(kind->format), job->key, value, job->value) == 0)
		return 0;
	if (kind->expansion_limit > 0 && ++job->values > kind->expansion_limit)
		return error_set(&job->err, -E2BIG, "more than %zu values (expansion_limit)",
				 kind->expansion_limit);
	if (job->value->len > TABLE_VALUE_MAX)
		return error_set(&job->err, -EFBIG, "the value is longer than %d bytes",
				 TABLE_VALUE_MAX);
	return 0;
}

static int job_ask(struct database_job *job, struct str questions[DRIVER_TEMPLATES_MAX])
{
	const struct database_kind *kind = job->kind;

	for (int i = 0; i < DRIVER_TEMPLATES_MAX; i++) {
		struct escaping escaping = { job, i };
		int r;

		if (kind->templates[i] == NULL)
			continue;
		r = expand_question(view_of(kind->templates[i]), job->key, job_escape, &escaping,
				    &questions[i]);
		if (r <= 0)
			return r == -EILSEQ ? 0 : r;
	}
	int r = kind->driver->ask(job->connection, questions, job->deadline, job_take_value, job,
				  &job->err);

	if (r == 0 && job->has_user)
		r = job_add_fixed_fields(job);
	if (r == 0 && job->has_user && kind->fields->binds)
		database_append_bind(kind, job->key, job->value);
	return r;
}

static int job_expand(struct database_job *job, int number, const char *template,
		      struct str *question)
{
	struct escaping escaping = { job, number };

	return expand_question(view_of(template), job->key, job_escape, &escaping, question);
}

/* 1 the password is right, 0 it is not. */
static int job_verify(struct database_job *job, struct str questions[DRIVER_TEMPLATES_MAX])
{
	const struct database_kind *kind = job->kind;
	_cleanup_(str_free) struct str who = STR_EMPTY;
	const char *name = kind->fields->bind_template;
	int r = 1;

	if (name != NULL) {
		/* As a part of a name, which is what the last of the templates is too. */
		r = job_expand(job, DRIVER_TEMPLATES_MAX - 1, name, &who);
	} else {
		for (int i = 0; i < DRIVER_TEMPLATES_MAX && r > 0; i++)
			r = job_expand(job, i, kind->templates[i], &questions[i]);
	}
	return r <= 0 ? r
		      : kind->driver->verify(job->connection, questions,
					     name != NULL ? str_cstr(&who) : NULL, job->password,
					     job->deadline, &job->err);
}

int database_job_run(void *argument)
{
	struct database_job *job = argument;
	const struct driver *driver = job->kind->driver;
	struct str questions[DRIVER_TEMPLATES_MAX] = { STR_EMPTY, STR_EMPTY };
	int r;

	job->err = ERROR_NONE;
	job->values = 0;
	str_clear(job->value);
	if (job->connection == NULL)
		job->connection =
			driver->connect(job->kind->own, &job->host, job->deadline, &job->err);
	if (job->connection == NULL)
		return clock_now() >= job->deadline ? -ETIMEDOUT : -EIO;
	r = job->password.data != NULL ? job_verify(job, questions) : job_ask(job, questions);
	if (r < 0)
		str_clear(job->value);
	/* What is given up in the middle may leave an answer that the next one would get. */
	if (r == -EIO || r == -ETIMEDOUT || job->password.data != NULL ||
	    (r < 0 && !driver->one_connection)) {
		driver->disconnect(job->connection);
		job->connection = NULL;
	}
	for (int i = 0; i < DRIVER_TEMPLATES_MAX; i++)
		str_wipe(&questions[i]);
	return r;
}
