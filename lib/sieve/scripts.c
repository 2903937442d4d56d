/* Where a user's scripts are, and which of them is active. What stands in them is not asked here. */
#include "sieve/scripts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

#define SUFFIX ".sieve"

bool script_name_is_valid(struct view name)
{
	if (name.len == 0 || name.len > SCRIPT_NAME_MAX || name.data[0] == '.' ||
	    !view_is_utf8(name) || view_has_control(name) ||
	    view_find_byte(name, '/') != VIEW_NOT_FOUND)
		return false;
	/* RFC 5198: no C1 controls, and no line or paragraph separators. */
	for (size_t i = 0; i + 1 < name.len; i++) {
		unsigned char a = (unsigned char)name.data[i], b = (unsigned char)name.data[i + 1];

		if (a == 0xc2 && b < 0xa0)
			return false;
		if (a == 0xe2 && b == 0x80 && i + 2 < name.len &&
		    ((unsigned char)name.data[i + 2] & 0xfe) == 0xa8)
			return false;
	}
	return true;
}

static void scripts_folder(const char *maildir, struct str *path)
{
	str_printf(path, "%s/sieve", strcmp(maildir, "/") == 0 ? "" : maildir);
}

void script_path(const char *maildir, struct view name, struct str *path)
{
	scripts_folder(maildir, path);
	str_append_byte(path, '/');
	str_append(path, name);
	str_append_cstr(path, SUFFIX);
}

static int script_check_name(struct view name, struct error *err)
{
	return script_name_is_valid(name)
		       ? 0
		       : error_set(err, -EINVAL, "this cannot be a script's name");
}

/* ---- reading ---- */

static int script_open(const char *path, int flags, struct stat *st, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);

	if (fd < 0 || fstat(fd, st) < 0)
		return error_errno(err, "open %s", path);
	if (!S_ISREG(st->st_mode))
		return error_set(err, -EINVAL, "%s is not a regular file", path);
	return TAKE_FD(fd);
}

int scripts_open_file(const char *path, struct stat *st, struct error *err)
{
	return script_open(path, 0, st, err);
}

int scripts_read_open(int fd, const struct stat *st, size_t limit, struct str *text)
{
	size_t size = (size_t)st->st_size;
	int r;

	if (st->st_size < 0 || (uint64_t)st->st_size > limit)
		return -EFBIG;
	r = io_pread_all(fd, str_reserve(text, size + 1), size, 0);
	if (r < 0)
		return r;
	str_grow(text, size);
	return 0;
}

static int script_read_path(const char *path, size_t limit, struct str *text, struct error *err)
{
	struct stat st;
	_cleanup_fd_ int fd = script_open(path, O_NOFOLLOW, &st, err);
	int r;

	if (fd < 0)
		return fd;
	r = scripts_read_open(fd, &st, limit, text);
	return r < 0 ? error_code(err, r, "read %s", path) : 0;
}

bool scripts_have(const char *maildir, struct view name)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct stat st;

	script_path(maildir, name, &path);
	return script_name_is_valid(name) && lstat(str_cstr(&path), &st) == 0 &&
	       S_ISREG(st.st_mode);
}

int scripts_active(const char *maildir, struct str *name)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	struct error err = ERROR_NONE;
	struct view found;
	int r;

	scripts_folder(maildir, &path);
	str_append_cstr(&path, "/active");
	r = script_read_path(str_cstr(&path), SCRIPT_NAME_MAX + 2, &text, &err);
	if (r < 0)
		return r;
	found = view_trim(str_view(&text));
	if (!script_name_is_valid(found))
		return -ENOENT;
	str_append(name, found);
	return 0;
}

int scripts_read(const char *maildir, struct view name, size_t limit, struct str *text,
		 struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int r = script_check_name(name, err);

	script_path(maildir, name, &path);
	return r < 0 ? r : script_read_path(str_cstr(&path), limit, text, err);
}

/* Dovecot's: a file, or a link to one of ~/sieve. Its user may read what its user may read. */
static int open_dovecot(const char *folder, struct stat *st, struct str *name, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int fd;

	str_printf(&path, "%s/.dovecot.sieve", folder);
	fd = script_open(str_cstr(&path), 0, st, err);
	if (fd >= 0)
		str_append(name, str_view(&path));
	return fd;
}

int scripts_open_active(const char *maildir, const char *home, struct stat *st, struct str *name,
			struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int r;

	scripts_folder(maildir, &path);
	str_append_cstr(&path, "/active");
	if (access(str_cstr(&path), F_OK) < 0) {
		r = open_dovecot(maildir, st, name, err);
		return r == -ENOENT && home[0] == '/' && home[1] != '\0'
			       ? open_dovecot(home, st, name, err)
			       : r;
	}
	r = scripts_active(maildir, name);
	if (r < 0)
		return error_code(err, r, "read the name of the active script");
	str_clear(&path);
	script_path(maildir, str_view(name), &path);
	return script_open(str_cstr(&path), O_NOFOLLOW, st, err);
}

int scripts_each(const char *maildir, int (*each)(void *argument, struct view name, uint64_t size),
		 void *argument)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct dirent *entry;
	size_t count = 0;
	DIR *folder;
	int r = 0;

	scripts_folder(maildir, &path);
	folder = opendir(str_cstr(&path));
	if (folder == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && count < SCRIPTS_MAX && (errno = 0, entry = readdir(folder)) != NULL) {
		struct view name = view_of(entry->d_name);
		struct stat st;

		if (name.len <= strlen(SUFFIX) ||
		    !view_is(view_from(name, name.len - strlen(SUFFIX)), SUFFIX))
			continue;
		name.len -= strlen(SUFFIX);
		if (!script_name_is_valid(name) ||
		    fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		count++;
		r = each(argument, name, (uint64_t)st.st_size);
	}
	if (r == 0 && count < SCRIPTS_MAX && errno != 0)
		r = -errno;
	closedir(folder);
	return r;
}

/* ---- changing ---- */

static int scripts_make_folder(const char *maildir, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	scripts_folder(maildir, &path);
	return io_make_directories(str_cstr(&path), 0700, err);
}

int scripts_write(const char *maildir, struct view name, struct view text, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int r = script_check_name(name, err);

	if (r == 0)
		r = scripts_make_folder(maildir, err);
	script_path(maildir, name, &path);
	return r < 0 ? r : io_replace_file(str_cstr(&path), text, 0600, err);
}

static int scripts_sync(const char *maildir, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int r;

	scripts_folder(maildir, &path);
	r = io_sync_directory(str_cstr(&path));
	return r < 0 ? error_code(err, r, "fsync %s", str_cstr(&path)) : 0;
}

int scripts_activate(const char *maildir, struct view name, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	int r = name.len > 0 ? script_check_name(name, err) : scripts_make_folder(maildir, err);

	if (r < 0)
		return r;
	if (name.len > 0 && !scripts_have(maildir, name))
		return error_set(err, -ENOENT, "there is no script \"%.*s\"", VIEW_ARG(name));
	scripts_folder(maildir, &path);
	str_append_cstr(&path, "/active");
	str_append(&text, name);
	str_append_byte(&text, '\n');
	return io_replace_file(str_cstr(&path), str_view(&text), 0600, err);
}

static bool script_is_active(const char *maildir, struct view name)
{
	_cleanup_(str_free) struct str active = STR_EMPTY;

	return scripts_active(maildir, &active) == 0 && view_eq(str_view(&active), name);
}

int scripts_delete(const char *maildir, struct view name, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int r = script_check_name(name, err);

	if (r < 0)
		return r;
	script_path(maildir, name, &path);
	if (script_is_active(maildir, name) && access(str_cstr(&path), F_OK) == 0)
		return error_set(err, -EPERM, "the script is active");
	if (unlink(str_cstr(&path)) < 0)
		return error_errno(err, "remove the script \"%.*s\"", VIEW_ARG(name));
	return scripts_sync(maildir, err);
}

/* After a crash in the middle it may have both names; the active one has one that is there. */
int scripts_rename(const char *maildir, struct view from, struct view to, struct error *err)
{
	_cleanup_(str_free) struct str old = STR_EMPTY, new = STR_EMPTY;
	int r = script_check_name(from, err);

	if (r == 0)
		r = script_check_name(to, err);
	if (r < 0)
		return r;
	script_path(maildir, from, &old);
	script_path(maildir, to, &new);
	/* A second name first, so that the active one has a name at any time. */
	if (link(str_cstr(&old), str_cstr(&new)) < 0)
		return error_errno(err, "rename the script \"%.*s\"", VIEW_ARG(from));
	r = scripts_sync(maildir, err);
	if (r == 0 && script_is_active(maildir, from))
		r = scripts_activate(maildir, to, err);
	if (r < 0) {
		unlink(str_cstr(&new));
		return r;
	}
	if (unlink(str_cstr(&old)) < 0)
		return error_errno(err, "remove the script \"%.*s\"", VIEW_ARG(from));
	return scripts_sync(maildir, err);
}
