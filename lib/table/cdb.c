/*
 * cdb:/path: the constant database path.cdb, as postmap or tinycdb makes it. It is never changed in
 * place: a new one takes its name.
 */
#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "table/internal.h"

struct constant {
	struct cdb cdb;
	bool is_open, try_nul, try_plain;
	struct str key;
};

/* The library reads through a mapping of table->watched, which stays open beside it. */
static int open_cdb(struct table *table, struct view name, struct error *err)
{
	struct constant *c = table->data = mem_new(struct constant);
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int r;

	c->try_nul = c->try_plain = true;
	str_printf(&path, "%.*s.cdb", VIEW_ARG(name));
	r = table_watch(table, str_cstr(&path), err);
	if (r < 0)
		return r;
	if (cdb_init(&c->cdb, table->watched) < 0)
		return error_set(err, -EINVAL, "%s is no cdb file", str_cstr(&path));
	c->is_open = true;
	return 0;
}

static void close_cdb(struct table *table)
{
	struct constant *c = table->data;

	if (c == NULL)
		return;
	if (c->is_open)
		cdb_free(&c->cdb);
	str_free(&c->key);
	free(c);
}

static struct view cdb_text(const void *bytes, unsigned len)
{
	struct view v = view_make(bytes, len);

	if (v.len > 0 && v.data[v.len - 1] == '\0')
		v.len--;
	return v;
}

/* 1 with the value appended, 0, or a negative errno: the file is not what it says. */
static int cdb_value(struct constant *c, struct view key, struct str *value, struct error *err)
{
	const void *bytes = NULL;
	int r = cdb_find(&c->cdb, key.data, (unsigned)key.len);

	if (r > 0)
		bytes = cdb_getdata(&c->cdb);
	if (r < 0 || (r > 0 && bytes == NULL))
		return error_set(err, -EAGAIN, "the file is damaged");
	if (r > 0)
		str_append(value, cdb_text(bytes, cdb_datalen(&c->cdb)));
	return r;
}

static int lookup_cdb(struct table *table, struct view key, struct str *value, struct error *err)
{
	struct constant *c = table->data;
	int r = 0;

	if (c->try_nul) {
		str_set(&c->key, key);
		str_append_byte(&c->key, '\0');
		r = cdb_value(c, str_view(&c->key), value, err);
		if (r > 0)
			c->try_plain = false;
	}
	if (r == 0 && c->try_plain) {
		r = cdb_value(c, key, value, err);
		if (r > 0)
			c->try_nul = false;
	}
	return r;
}

static int dump_cdb(struct table *table, table_row *row, void *argument, struct error *err)
{
	struct constant *c = table->data;
	unsigned at;
	int r, stop = 0;

	cdb_seqinit(&at, &c->cdb);
	while (stop == 0 && (r = cdb_seqnext(&at, &c->cdb)) > 0) {
		const void *key = cdb_getkey(&c->cdb), *value = cdb_getdata(&c->cdb);

		if (key == NULL || value == NULL)
			return error_set(err, -EIO, "%s: the file is damaged",
					 table->specification);
		stop = row(argument, cdb_text(key, cdb_keylen(&c->cdb)),
			   cdb_text(value, cdb_datalen(&c->cdb)));
	}
	if (stop == 0 && r < 0)
		return error_set(err, -EIO, "%s: the file is damaged", table->specification);
	return stop;
}

const struct table_type table_type_cdb = {
	.name = "cdb",
	.folds = true,
	.open = open_cdb,
	.lookup = lookup_cdb,
	.close = close_cdb,
	.dump = dump_cdb,
};

/* ---- writing ---- */

static int cdb_add(struct cdb_make *make, const struct index_entry *entry)
{
	_cleanup_(str_free) struct str key = STR_EMPTY, value = STR_EMPTY;

	str_append(&key, entry->key);
	str_append_byte(&key, '\0');
	str_append(&value, entry->value);
	str_append_byte(&value, '\0');
	return cdb_make_add(make, key.data, (unsigned)key.len, value.data, (unsigned)value.len);
}

static int cdb_create(const char *path, const struct index_entry *entries, size_t count,
		      mode_t mode, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	_cleanup_free_ struct cdb_make *make = mem_new(struct cdb_make);
	int r;

	if (fd < 0)
		return error_errno(err, "create %s", path);
	r = cdb_make_start(make, fd);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = cdb_add(make, &entries[i]);
	/* Frees what it keeps, too. */
	if (cdb_make_finish(make) < 0 || r < 0)
		return error_errno(err, "write %s", path);
	return 0;
}

static int cdb_edit(const char *path, const struct index_entry *entries, size_t count, bool replace,
		    struct error *err)
{
	(void)entries;
	(void)count;
	(void)replace;
	return error_set(err, -ENOTSUP, "%s: a cdb file is not changed, but made anew as a whole",
			 path);
}

const struct index_writer cdb_writer = {
	.suffix = ".cdb",
	.create = cdb_create,
	.edit = cdb_edit,
};
