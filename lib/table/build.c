/* Making and editing indexes: aside, made durable, renamed. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"
#include "table/internal.h"

#define COPY_BLOCK 65536

static const struct {
	const char *type;
	const struct index_writer *writer;
} writers[] = {
	{ "hash", &berkeley_hash_writer },
	{ "btree", &berkeley_btree_writer },
	{ "lmdb", &lmdb_writer },
	{ "cdb", &cdb_writer },
};

static const struct index_writer *writer_of(struct view type)
{
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++)
		if (view_is(type, writers[i].type))
			return writers[i].writer;
	return NULL;
}

const char *table_index_suffix(struct view type)
{
	const struct index_writer *writer = writer_of(type);

	return writer != NULL ? writer->suffix : NULL;
}

static const struct index_writer *find_writer(const char *type, struct error *err)
{
	const struct index_writer *writer = writer_of(view_of(type));

	if (writer == NULL)
		error_set(err, -EINVAL,
			  "tables of type \"%s\" have no index (hash, btree, lmdb, cdb have)",
			  type);
	return writer;
}

/* ---- as whom ---- */

struct identity {
	uid_t uid;
	gid_t gid;
};

/*
 * Root must not write into a folder that belongs to somebody else, who could put a link in the
 * way: it works as the owner of the source, as Postfix does.
 */
static int become_owner(const struct stat *source, struct identity *before, struct error *err)
{
	*before = (struct identity){ geteuid(), getegid() };
	if (before->uid != 0 || source->st_uid == 0)
		return 0;
	if (setegid(source->st_gid) < 0 || seteuid(source->st_uid) < 0)
		return error_errno(err, "become the owner of the source file");
	return 0;
}

static void become_again(const struct identity *before)
{
	if (geteuid() != before->uid && seteuid(before->uid) < 0)
		abort();
	if (getegid() != before->gid && setegid(before->gid) < 0)
		abort();
}

/* ---- putting a file in place ---- */

static int sync_file(const char *path, mode_t mode, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return error_errno(err, "make %s durable", path);
	return 0;
}

/* After a crash the old file is there or the new one, whole. */
static int put_in_place(const char *aside, const char *path, mode_t mode, struct error *err)
{
	_cleanup_(str_free) struct str folder = STR_EMPTY;
	struct stat old;
	int r;

	/* Who could read the old one can read the new one; if we may not say so, it is ours. */
	if (stat(path, &old) == 0)
		(void)!chown(aside, old.st_uid, old.st_gid);
	r = sync_file(aside, mode, err);
	if (r < 0)
		return r;
	if (rename(aside, path) < 0)
		return error_errno(err, "rename %s to %s", aside, path);
	io_folder_of(path, &folder);
	r = io_sync_directory(str_cstr(&folder));
	/* Until every program looks again before it answers anything. */
	usleep(2 * TABLE_LOOK_PAUSE * 1000);
	return r < 0 ? error_set(err, r, "fsync of the folder of %s failed", path) : 0;
}

static void aside_path(const char *path, struct str *aside)
{
	str_printf(aside, "%s.%016llx.tmp", path, (unsigned long long)random_u64());
}

/*
 * Locks the index against others who build or edit it. It may be replaced while we wait for the
 * lock: then the new one is locked. -ENOENT if there is none yet.
 */
static int lock_index(const char *path)
{
	for (int tries = 0; tries < 100; tries++) {
		_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		struct stat locked, now;

		if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &locked) < 0)
			return -errno;
		if (stat(path, &now) == 0 && now.st_ino == locked.st_ino &&
		    now.st_dev == locked.st_dev)
			return TAKE_FD(fd);
	}
	return -EAGAIN;
}

/* ---- building ---- */

struct collection {
	const char *path;
	struct index_entry *entries;
	size_t count;
	struct map *lines; /* key -> its place among the entries, + 1 */
	int *line_of;
	struct str *report;
};

static bool build_collect(void *argument, int line, struct view key, struct view value)
{
	struct collection *c = argument;
	size_t before = (size_t)(uintptr_t)map_get(c->lines, key);

	if (before != 0) {
		str_printf(c->report, "%s, line %d: duplicate entry \"", c->path, line);
		str_append_printable(c->report, view_first(key, 60));
		str_printf(c->report, "\": the one in line %d is in force\n",
			   c->line_of[before - 1]);
		return true;
	}
	if ((c->count & (c->count - 1)) == 0) {
		size_t size = c->count ? c->count * 2 : 1;

		c->entries = mem_resize(c->entries, size, sizeof(*c->entries));
		c->line_of = mem_resize(c->line_of, size, sizeof(*c->line_of));
	}
	c->entries[c->count] = (struct index_entry){
		.key = { mem_strndup(key.data, key.len), key.len },
		.value = { mem_strndup(value.len ? value.data : "", value.len), value.len },
	};
	c->line_of[c->count++] = line;
	map_put(c->lines, key, (void *)(uintptr_t)c->count);
	return c->count < TABLE_ENTRIES_MAX;
}

static void collection_free(struct collection *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free((char *)(uintptr_t)c->entries[i].key.data);
		free((char *)(uintptr_t)c->entries[i].value.data);
	}
	free(c->entries);
	free(c->line_of);
	map_free(c->lines);
}

static int write_index(const struct index_writer *writer, const char *index, mode_t mode,
		       const struct collection *c, struct error *err)
{
	_cleanup_(str_free) struct str aside = STR_EMPTY;
	struct stat old;
	int r;

	/* What the administrator set on the index stays; a new one is like its source. */
	if (stat(index, &old) == 0)
		mode = old.st_mode & 0777;
	aside_path(index, &aside);
	r = writer->create(str_cstr(&aside), c->entries, c->count, 0600, err);
	if (r == 0)
		r = put_in_place(str_cstr(&aside), index, mode, err);
	if (r < 0)
		unlink(str_cstr(&aside));
	return r;
}

static int build_from_text(const struct index_writer *writer, const char *path, struct view text,
			   enum table_source source, mode_t mode, struct str *report)
{
	struct collection c = { .path = path, .lines = map_new(), .report = report };
	_cleanup_(str_free) struct str name = STR_EMPTY;
	struct error err = ERROR_NONE;
	const char *index;
	int r;

	str_printf(&name, "%s%s", path, writer->suffix);
	index = str_cstr(&name);

	_cleanup_fd_ int lock = lock_index(index);

	(void)lock; /* a first index has none */
	/* Half of the users is no table; of the others, as in Postfix, the good lines are one. */
	if (source_parse(text, path, source, true, build_collect, &c, report) > 0 &&
	    source == SOURCE_USERS) {
		str_printf(report, "%s is left as it was\n", index);
		collection_free(&c);
		return -EINVAL;
	}
	r = write_index(writer, index, mode, &c, &err);
	if (r < 0)
		str_printf(report, "%s\n", err.text);
	collection_free(&c);
	return r;
}

static int build_from_file(const struct index_writer *writer, const char *path,
			   enum table_source source, mode_t mode, struct str *report)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct error err = ERROR_NONE;
	int r = io_read_file(path, TABLE_TEXT_MAX, &text, &err);

	if (r < 0)
		str_printf(report, "%s\n", err.text);
	else
		r = build_from_text(writer, path, str_view(&text), source, mode, report);
	return r;
}

int table_build_text(const char *type, const char *path, struct view text, mode_t mode,
		     enum table_source source, struct str *report)
{
	struct error err = ERROR_NONE;
	const struct index_writer *writer = find_writer(type, &err);
	int r = 0;

	if (writer == NULL)
		r = -EINVAL;
	else if (strlen(path) > PATH_MAX - 40)
		r = error_set(&err, -ENAMETOOLONG, "the path is too long");
	else if (text.len > TABLE_TEXT_MAX)
		r = error_set(&err, -EFBIG, "the text of %s is too long", path);
	if (r < 0) {
		str_printf(report, "%s\n", err.text);
		return r;
	}
	return build_from_text(writer, path, text, source, mode, report);
}

int table_build(const char *type, const char *path, enum table_source source, struct str *report)
{
	struct error err = ERROR_NONE;
	const struct index_writer *writer = find_writer(type, &err);
	struct identity before;
	struct stat st;
	int r;

	if (writer == NULL)
		r = -EINVAL;
	else if (strlen(path) > PATH_MAX - 40)
		r = error_set(&err, -ENAMETOOLONG, "the path is too long");
	else if (stat(path, &st) < 0)
		r = error_errno(&err, "open %s", path);
	else
		r = become_owner(&st, &before, &err);
	if (r < 0) {
		str_printf(report, "%s\n", err.text);
		return r;
	}
	r = build_from_file(writer, path, source, st.st_mode & 0777, report);
	become_again(&before);
	return r;
}

/* ---- editing ---- */

static int build_copy_file(int from, const char *to, struct error *err)
{
	_cleanup_fd_ int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	_cleanup_free_ char *buffer = mem_new_bytes(COPY_BLOCK);
	off_t at = 0;
	ssize_t n;

	if (out < 0)
		return error_errno(err, "create %s", to);
	while ((n = pread(from, buffer, COPY_BLOCK, at)) > 0) {
		int r = io_write_all(out, buffer, (size_t)n);

		if (r < 0)
			return error_code(err, r, "write %s", to);
		at += n;
	}
	return n < 0 ? error_errno(err, "copy to %s", to) : 0;
}

static int edit_index(const struct index_writer *writer, const char *index,
		      const struct index_entry *entries, size_t count, bool replace,
		      struct error *err)
{
	_cleanup_(str_free) struct str aside = STR_EMPTY;
	struct stat st;
	_cleanup_fd_ int lock = lock_index(index);
	int r, changed;

	if (lock < 0 || fstat(lock, &st) < 0) {
		errno = lock < 0 ? -lock : errno;
		return error_errno(err, "open %s", index);
	}
	aside_path(index, &aside);
	r = build_copy_file(lock, str_cstr(&aside), err);
	if (r == 0)
		r = changed = writer->edit(str_cstr(&aside), entries, count, replace, err);
	if (r > 0)
		r = put_in_place(str_cstr(&aside), index, st.st_mode & 0777, err);
	else
		unlink(str_cstr(&aside));
	if (r < 0)
		unlink(str_cstr(&aside));
	return r < 0 ? r : changed;
}

int table_edit(const char *type, const char *path, const struct view *keys,
	       const struct view *values, size_t count, bool replace, struct error *err)
{
	const struct index_writer *writer = find_writer(type, err);
	struct index_entry *entries;
	struct str *folded;
	_cleanup_(str_free) struct str name = STR_EMPTY;
	const char *index;
	struct identity before;
	struct stat st;
	int r;

	if (writer == NULL)
		return -EINVAL;
	str_printf(&name, "%s%s", path, writer->suffix);
	if (name.len >= PATH_MAX - 40)
		return error_set(err, -ENAMETOOLONG, "the path is too long");
	index = str_cstr(&name);
	if (stat(index, &st) < 0)
		return error_errno(err, "open %s", index);
	r = become_owner(&st, &before, err);
	if (r < 0)
		return r;
	entries = mem_new_array(struct index_entry, count + 1);
	folded = mem_new_array(struct str, count + 1);
	for (size_t i = 0; i < count; i++) {
		str_append_lower(&folded[i], keys[i]);
		entries[i].key = str_view(&folded[i]);
		if (values != NULL)
			entries[i].value = values[i].data ? values[i] : VIEW("");
	}
	r = edit_index(writer, index, entries, count, replace, err);
	for (size_t i = 0; i < count; i++)
		str_free(&folded[i]);
	free(folded);
	free(entries);
	become_again(&before);
	return r;
}
