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
	char path[PATH_MAX - 64];
	int lock; /* the folder, locked */
	struct str text;
};

static int say(struct str *report, int code, const struct error *err)
{
	str_printf(report, "%s\n", err->text);
	return code;
}

static void users_file_close(struct users_file *file)
{
	str_free(&file->text);
	if (file->lock >= 0)
		close(file->lock);
}

/* "hash:/path" of the first table. */
static int find_file(struct users_file *file, struct error *err)
{
	struct view rest = view_of(param.mailbox_users), first;
	size_t colon;

	if (!conf_next_element(&rest, &first))
		return error_set(err, -EINVAL, "mailbox_users is empty: there is no file to edit");
	colon = view_find_byte(first, ':');
	if (colon == VIEW_NOT_FOUND || (!view_is(view_first(first, colon), "hash") &&
					!view_is(view_first(first, colon), "btree") &&
					!view_is(view_first(first, colon), "lmdb")))
		return error_set(err, -EINVAL,
				 "mailbox_users begins with %.*s, which is not made from a file "
				 "(hash, btree and lmdb are)",
				 VIEW_ARG(first));
	snprintf(file->type, sizeof(file->type), "%.*s", VIEW_ARG(view_first(first, colon)));
	first = view_from(first, colon + 1);
	if (first.len >= sizeof(file->path))
		return error_set(err, -ENAMETOOLONG, "the path of mailbox_users is too long");
	snprintf(file->path, sizeof(file->path), "%.*s", VIEW_ARG(first));
	return 0;
}

/* The file itself is replaced by each change, so the lock is on its folder. */
static int lock_folder(struct users_file *file, struct error *err)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(file->path, '/');

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - file->path) + 1 : 1,
		 slash ? file->path : ".");
	file->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file->lock < 0 || flock(file->lock, LOCK_EX) < 0)
		return error_errno(err, "lock the folder %s", folder);
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
	return io_read_file(file->path, USERS_FILE_MAX, &file->text, err);
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

/* Root's files of hashes are readable for auth, and for nobody else. */
static void hand_to_auth(const char *path)
{
	const struct passwd *auth = geteuid() == 0 ? getpwnam(param.auth_owner) : NULL;

	if (auth != NULL && chown(path, 0, auth->pw_gid) == 0)
		(void)!chmod(path, 0640);
}

static int users_make_table(const struct users_file *file, struct str *report)
{
	char index[PATH_MAX];
	int r = table_build(file->type, file->path, SOURCE_USERS, report);

	if (r < 0)
		return r;
	snprintf(index, sizeof(index), "%s%s", file->path,
		 strcmp(file->type, "lmdb") == 0 ? ".lmdb" : ".db");
	hand_to_auth(index);
	return 0;
}

static int users_store(const struct users_file *file, struct str *report)
{
	struct error err = ERROR_NONE;
	int r;

	if (users_check_line(file, report) > 0)
		return -EINVAL;
	r = io_replace_file(file->path, str_view(&file->text), 0600, &err);
	if (r < 0)
		return say(report, r, &err);
	hand_to_auth(file->path);
	return users_make_table(file, report);
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

int users_change(enum users_change change, struct view name, struct view line, struct str *report)
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
	return users_store(&file, report);
}

int users_compile(struct str *report)
{
	_cleanup_(users_file_close) struct users_file file = { .lock = -1 };
	struct error err = ERROR_NONE;
	struct stat st;
	int r = users_file_open(&file, true, &err);

	if (r < 0)
		return say(report, r, &err);
	if (stat(file.path, &st) < 0)
		return users_store(&file, report); /* an empty file */
	if (users_check_line(&file, report) > 0)
		return -EINVAL;
	hand_to_auth(file.path);
	return users_make_table(&file, report);
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
