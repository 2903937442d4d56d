/* The file of mailbox users: read, changed, compiled to its tables. The text is what counts. */
#include "tools/users.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/map.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "table/table.h"
#include "user/user.h"

#define USERS_FILE_MAX ((size_t)256 * 1024 * 1024)

struct users_file {
	char type[16];
	char *path;
	char passwords_type[16];
	char *passwords;
	int lock; /* the folder, locked */
	struct str text;
	struct str before; /* the text as it was, without passwords; empty: there was none */
};

static int say(struct str *report, int code, const struct error *err)
{
	str_printf(report, "%s\n", err->text);
	return code;
}

static void users_file_close(struct users_file *file)
{
	if (file->text.data != NULL)
		mem_wipe(file->text.data, file->text.size);
	str_free(&file->text);
	str_free(&file->before);
	free(file->path);
	free(file->passwords);
	if (file->lock >= 0)
		close(file->lock);
}

/* ---- the two tables ---- */

void users_hand_to_auth(const char *path)
{
	const struct passwd *auth = geteuid() == 0 ? getpwnam(param.auth_owner) : NULL;

	if (auth != NULL && chown(path, 0, auth->pw_gid) == 0)
		(void)!chmod(path, 0640);
}

/* Replaces *index. */
static const char *users_index_path(const char *type, const char *path, struct str *index)
{
	str_clear(index);
	str_printf(index, "%s%s", path, table_index_suffix(view_of(type)));
	return str_cstr(index);
}

/* "x" in place of each password, as in passwd(5). */
static void users_strip(struct view text, struct str *stripped)
{
	struct view line;

	while (view_next(&text, '\n', &line)) {
		size_t name = view_find_byte(line, ':');

		if (line.len > 0 && line.data[0] != '#' && name != VIEW_NOT_FOUND) {
			struct view rest = view_from(line, name + 1);
			size_t end = view_find_byte(rest, ':');

			str_append(stripped, view_first(line, name));
			str_append(stripped, VIEW(":x"));
			if (end != VIEW_NOT_FOUND)
				str_append(stripped, view_from(rest, end));
		} else {
			str_append(stripped, line);
		}
		str_append_byte(stripped, '\n');
	}
}

static int users_build_public(const char *type, const char *path, struct view text,
			      struct str *report)
{
	_cleanup_(str_free) struct str stripped = STR_EMPTY;

	users_strip(text, &stripped);
	return table_build_text(type, path, str_view(&stripped), 0644, SOURCE_USERS, report);
}

static int users_build_passwords(const char *type, const char *path, struct view text,
				 struct str *report)
{
	_cleanup_(str_free) struct str index = STR_EMPTY;
	int r = table_build_text(type, path, text, 0600, SOURCE_USERS, report);

	if (r < 0)
		return r;
	users_hand_to_auth(users_index_path(type, path, &index));
	return 0;
}

int users_build(const char *type, const char *users, const char *passwords, struct view text,
		struct str *report)
{
	int r = users_build_public(type, users, text, report);

	return r < 0 ? r : table_build_text(type, passwords, text, 0600, SOURCE_USERS, report);
}

/*
 * A table that would be the same stays, so that no program has to notice a change of a password;
 * its source is made to look no newer.
 */
static bool users_public_is_same(const struct users_file *file)
{
	_cleanup_(str_free) struct str stripped = STR_EMPTY, index = STR_EMPTY;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat st;

	users_strip(str_view(&file->text), &stripped);
	if (!view_eq(str_view(&stripped), str_view(&file->before)) ||
	    stat(users_index_path(file->type, file->path, &index), &st) < 0)
		return false;
	times[1] = st.st_mtim;
	return utimensat(AT_FDCWD, file->path, times, 0) == 0;
}

/* ---- the file ---- */

int users_table_of(const char *parameter, const char *value, char type[16], char **path,
		   struct error *err)
{
	struct view rest = view_of(value), first;
	size_t colon;

	if (!conf_next_element(&rest, &first))
		return error_set(err, -EINVAL, "%s is empty: there is no file to edit", parameter);
	colon = view_find_byte(first, ':');
	if (colon == VIEW_NOT_FOUND || table_index_suffix(view_first(first, colon)) == NULL)
		return error_set(err, -EINVAL,
				 "%s begins with %.*s, which is not made from a file "
				 "(hash, btree, lmdb and cdb are)",
				 parameter, VIEW_ARG(first));
	snprintf(type, 16, "%.*s", VIEW_ARG(view_first(first, colon)));
	first = view_from(first, colon + 1);
	if (first.len >= PATH_MAX - 64)
		return error_set(err, -ENAMETOOLONG, "the path of %s is too long", parameter);
	free(*path);
	*path = mem_strndup(first.data, first.len);
	return 0;
}

static int find_file(struct users_file *file, struct error *err)
{
	int r = users_table_of("mailbox_users", param.mailbox_users, file->type, &file->path, err);

	if (r == 0)
		r = users_table_of("mailbox_passwords", param.mailbox_passwords,
				   file->passwords_type, &file->passwords, err);
	if (r == 0 && strcmp(file->path, file->passwords) == 0)
		return error_set(err, -EINVAL,
				 "mailbox_passwords and mailbox_users are the same: the passwords "
				 "would be there for every program");
	return r;
}

/* The file itself is replaced by each change, so the lock is on its folder. */
static int lock_folder(struct users_file *file, struct error *err)
{
	_cleanup_(str_free) struct str folder = STR_EMPTY;

	io_folder_of(file->path, &folder);
	file->lock = open(str_cstr(&folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file->lock < 0 || flock(file->lock, LOCK_EX) < 0)
		return error_errno(err, "lock the folder %s", str_cstr(&folder));
	return 0;
}

static int users_file_open(struct users_file *file, bool to_change, struct error *err)
{
	struct stat st;
	int r = find_file(file, err);

	if (r == 0 && to_change)
		r = lock_folder(file, err);
	if (r < 0)
		return r;
	if (stat(file->path, &st) < 0 && errno == ENOENT)
		return 0;
	r = io_read_file(file->path, USERS_FILE_MAX, &file->text, err);
	if (r == 0)
		users_strip(str_view(&file->text), &file->before);
	return r;
}

/* Takes the next line that is a user's off the text. */
static bool next_user(struct view *rest, int *number, struct view *line)
{
	while (view_next(rest, '\n', line)) {
		struct view trimmed = view_trim(*line);

		(*number)++;
		if (trimmed.len > 0 && trimmed.data[0] != '#') {
			*line = trimmed;
			return true;
		}
	}
	return false;
}

static struct view name_of(struct view line)
{
	return view_first(line, view_find_byte(line, ':'));
}

/* Every line, and no name twice. The number of those that are wrong. */
static int users_check_line(const struct users_file *file, struct str *report)
{
	_cleanup_(map_freep) struct map *seen = map_new();
	struct view rest = str_view(&file->text), line;
	int number = 0, wrong = 0;

	while (next_user(&rest, &number, &line)) {
		_cleanup_(str_free) struct str folded = STR_EMPTY;
		struct error err = ERROR_NONE;

		if (user_check_line(line, &err) < 0) {
			str_printf(report, "%s, line %d: %s\n", file->path, number, err.text);
			wrong++;
			continue;
		}
		str_append_lower(&folded, name_of(line));
		if (map_put(seen, str_view(&folded), report) != NULL) {
			str_printf(report, "%s, line %d: user %s stands there already\n",
				   file->path, number, str_cstr(&folded));
			wrong++;
		}
	}
	return wrong;
}

/* ---- who has lost the right to a session ---- */

struct comparison {
	struct map *lines; /* lower-case name to a line of the new text */
	struct str *ended;
};

/* What a session depends on: the password, and whether one may log in at all. */
static bool users_same_login(struct view old, struct view new)
{
	struct user a = { .name = NULL }, b = { .name = NULL };
	struct view value;
	bool same = user_parse(old, &a, NULL) == 0 && user_parse(new, &b, NULL) == 0 &&
		    strcmp(a.password, b.password) == 0 &&
		    (user_extra(&a, "nologin", &value) || !user_extra(&b, "nologin", &value));

	user_free(&a);
	user_free(&b);
	return same;
}

static int users_compare_row(void *argument, struct view key, struct view value)
{
	struct comparison *comparison = argument;
	const struct view *line = map_get(comparison->lines, key);

	if (line == NULL || !users_same_login(value, *line)) {
		str_append(comparison->ended, key);
		str_append_byte(comparison->ended, '\n');
	}
	return 0;
}

/* The table that is in force beside the text that is to be. */
static void users_compare(const struct users_file *file, struct str *ended)
{
	_cleanup_(map_freep) struct map *lines = map_new();
	_cleanup_(str_free) struct str table = STR_EMPTY;
	struct comparison comparison = { lines, ended };
	struct view rest = str_view(&file->text), line;
	int number = 0;

	while (next_user(&rest, &number, &line)) {
		_cleanup_(str_free) struct str name = STR_EMPTY;
		struct view *copy = mem_new(struct view);

		*copy = line;
		str_append_lower(&name, name_of(line));
		free(map_put(lines, str_view(&name), copy));
	}
	str_printf(&table, "%s:%s", file->passwords_type, file->passwords);
	/* There may be none yet. */
	(void)table_dump(str_cstr(&table), users_compare_row, &comparison, NULL);
	map_for_each (lines, i)
		free(map_value_at(lines, i));
}

/*
 * A user exists before he can log in, and cannot any more before he is gone. What a crash leaves
 * half done, the next start completes (users_complete).
 */
static int users_make_tables(const struct users_file *file, bool fewer, struct str *ended,
			     struct str *report)
{
	struct view text = str_view(&file->text);
	int r = 0;

	users_compare(file, ended);
	if (fewer)
		r = users_build_passwords(file->passwords_type, file->passwords, text, report);
	if (r == 0 && !users_public_is_same(file))
		r = users_build_public(file->type, file->path, text, report);
	if (r == 0 && !fewer)
		r = users_build_passwords(file->passwords_type, file->passwords, text, report);
	return r;
}

static int users_store(const struct users_file *file, bool fewer, struct str *ended,
		       struct str *report)
{
	struct error err = ERROR_NONE;
	int r;

	if (users_check_line(file, report) > 0)
		return -EINVAL;
	r = io_replace_file(file->path, str_view(&file->text), 0600, &err);
	if (r < 0)
		return say(report, r, &err);
	return users_make_tables(file, fewer, ended, report);
}

/* Where the user's line is in the text; false if there is none. */
static bool find_line(const struct users_file *file, struct view name, size_t *start, size_t *end)
{
	struct view rest = str_view(&file->text), line;
	int number = 0;

	while (next_user(&rest, &number, &line)) {
		if (!view_eq_nocase(name_of(line), name))
			continue;
		*start = (size_t)(line.data - file->text.data);
		*end = *start + line.len;
		return true;
	}
	return false;
}

static void replace(struct users_file *file, size_t start, size_t end, struct view line)
{
	_cleanup_(str_free) struct str before = STR_EMPTY;
	struct view text = str_view(&file->text);

	/* A deleted line goes with its end. */
	if (line.len == 0 && end < text.len && text.data[end] == '\n')
		end++;
	str_append(&before, view_first(text, start));
	str_append(&before, line);
	str_append(&before, view_from(text, end));
	mem_wipe(file->text.data, file->text.len);
	str_set(&file->text, str_view(&before));
}

int users_change(enum users_change change, struct view name, struct view line, struct str *ended,
		 struct str *report)
{
	_cleanup_(users_file_close) struct users_file file = { .lock = -1 };
	struct error err = ERROR_NONE;
	size_t start = 0, end = 0;
	int r = users_file_open(&file, true, &err);

	if (r < 0)
		return say(report, r, &err);
	if (line.len > 0 && user_check_line(line, &err) < 0)
		return say(report, -EINVAL, &err);

	bool exists = find_line(&file, name, &start, &end);

	if (change == USERS_ADD && exists)
		return -EEXIST;
	if (change != USERS_ADD && !exists)
		return -ENOENT;
	if (exists) {
		replace(&file, start, end, line);
	} else {
		if (file.text.len > 0 && file.text.data[file.text.len - 1] != '\n')
			str_append_byte(&file.text, '\n');
		str_append(&file.text, line);
		str_append_byte(&file.text, '\n');
	}
	return users_store(&file, change == USERS_DELETE, ended, report);
}

int users_compile(struct str *ended, struct str *report)
{
	_cleanup_(users_file_close) struct users_file file = { .lock = -1 };
	struct error err = ERROR_NONE;
	struct stat st;
	int r = users_file_open(&file, true, &err);

	if (r < 0)
		return say(report, r, &err);
	if (stat(file.path, &st) < 0)
		return users_store(&file, false, ended, report); /* an empty file */
	if (users_check_line(&file, report) > 0)
		return -EINVAL;
	/* Nobody knows what the tables were made of. */
	str_clear(&file.before);
	return users_make_tables(&file, false, ended, report);
}

static bool is_older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

int users_complete(struct str *report)
{
	_cleanup_(users_file_close) struct users_file file = { .lock = -1 };
	_cleanup_(str_free) struct str ended = STR_EMPTY; /* nothing runs */
	struct stat text, users, passwords;
	_cleanup_(str_free) struct str index = STR_EMPTY;

	/* Tables of other kinds are somebody else's. */
	if (find_file(&file, NULL) < 0 || stat(file.path, &text) < 0)
		return 0;

	bool whole = stat(users_index_path(file.type, file.path, &index), &users) == 0 &&
		     !is_older(&users.st_mtim, &text.st_mtim);

	/* The time of the text's last change of any kind: its other time may have been set back. */
	if (whole &&
	    stat(users_index_path(file.passwords_type, file.passwords, &index), &passwords) == 0 &&
	    !is_older(&passwords.st_ctim, &text.st_ctim))
		return 0;
	return users_compile(&ended, report);
}

int users_find(struct view name, struct str *line, struct str *report)
{
	_cleanup_(users_file_close) struct users_file file = { .lock = -1 };
	struct error err = ERROR_NONE;
	size_t start = 0, end = 0;
	int r = users_file_open(&file, false, &err);

	if (r < 0)
		return say(report, r, &err);
	if (!find_line(&file, name, &start, &end))
		return 0;
	str_set(line, view_first(view_from(str_view(&file.text), start), end - start));
	return 1;
}

int users_each(void (*each)(void *argument, struct view line), void *argument, struct str *report)
{
	_cleanup_(users_file_close) struct users_file file = { .lock = -1 };
	struct error err = ERROR_NONE;
	struct view rest, line;
	int number = 0;
	int r = users_file_open(&file, false, &err);

	if (r < 0)
		return say(report, r, &err);
	rest = str_view(&file.text);
	while (next_user(&rest, &number, &line))
		if (user_check_line(line, NULL) == 0)
			each(argument, line);
	return 0;
}
