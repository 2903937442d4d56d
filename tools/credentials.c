/* Files of passwords beside the users'. Knows nothing of what their values mean. */
#include "tools/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "table/table.h"
#include "tools/users.h"

#define CREDENTIALS_FILE_MAX ((size_t)64 * 1024 * 1024)
#define CREDENTIALS_HEAD                                                                           \
	"# Made by posta user; changes by hand are kept, and seen after the next one by it.\n"

struct credentials {
	char type[16];
	char *path;
	int lock; /* the folder, locked */
	struct str text;
};

void credentials_free(struct credentials *credentials)
{
	if (credentials == NULL)
		return;
	str_wipe(&credentials->text);
	free(credentials->path);
	if (credentials->lock >= 0)
		close(credentials->lock);
	free(credentials);
}

void credentials_freep(struct credentials **credentials)
{
	credentials_free(*credentials);
}

/* The file itself is replaced by each change, so the lock is on its folder. */
static int credentials_lock(struct credentials *c, struct error *err)
{
	_cleanup_(str_free) struct str folder = STR_EMPTY;

	io_folder_of(c->path, &folder);
	c->lock = open(str_cstr(&folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->lock < 0 || flock(c->lock, LOCK_EX) < 0)
		return error_errno(err, "lock the folder %s", str_cstr(&folder));
	return 0;
}

int credentials_open(const char *parameter, const char *value, bool to_change,
		     struct credentials **credentials, struct error *err)
{
	_cleanup_(credentials_freep) struct credentials *c = mem_new(struct credentials);
	struct stat st;
	int r;

	c->lock = -1;
	r = users_table_of(parameter, value, c->type, &c->path, err);
	if (r == 0 && to_change)
		r = credentials_lock(c, err);
	if (r == 0 && (stat(c->path, &st) == 0 || errno != ENOENT))
		r = io_read_file(c->path, CREDENTIALS_FILE_MAX, &c->text, err);
	if (r == 0)
		*credentials = TAKE(c);
	return r;
}

/* Takes the next line that has a name off the text. */
static bool credentials_next(struct view *rest, struct view *line, struct view *name,
			     struct view *value)
{
	while (view_next(rest, '\n', line)) {
		struct view left = view_trim(*line);

		if (left.len == 0 || left.data[0] == '#' || !view_next_word(&left, " \t", name))
			continue;
		*value = view_trim(left);
		return true;
	}
	return false;
}

bool credentials_find(const struct credentials *c, struct view name, struct str *value)
{
	struct view rest = str_view(&c->text), line, found, left;

	while (credentials_next(&rest, &line, &found, &left))
		if (view_eq_nocase(found, name)) {
			str_set(value, left);
			return true;
		}
	return false;
}

void credentials_each(const struct credentials *c,
		      void (*each)(void *argument, struct view name, struct view value),
		      void *argument)
{
	struct view rest = str_view(&c->text), line, name, value;

	while (credentials_next(&rest, &line, &name, &value))
		each(argument, name, value);
}

void credentials_put(struct credentials *c, struct view name, struct view value)
{
	struct view text = str_view(&c->text), rest = text, line, found, left;
	struct str fresh = STR_EMPTY;

	str_reserve(&fresh, text.len + name.len + value.len + sizeof(CREDENTIALS_HEAD) + 8);
	if (text.len == 0)
		str_append_cstr(&fresh, CREDENTIALS_HEAD);
	while (view_next(&rest, '\n', &line)) {
		struct view one = line, copy;

		if (credentials_next(&one, &copy, &found, &left) && view_eq_nocase(found, name))
			continue;
		if (line.len == 0 && rest.len == 0)
			continue;
		str_append(&fresh, line);
		str_append_byte(&fresh, '\n');
	}
	if (value.len > 0) {
		str_append_lower(&fresh, name);
		str_append_byte(&fresh, '\t');
		str_append(&fresh, value);
		str_append_byte(&fresh, '\n');
	}
	str_wipe(&c->text);
	c->text = fresh;
}

int credentials_store(struct credentials *c, struct error *err)
{
	_cleanup_(str_free) struct str report = STR_EMPTY, index = STR_EMPTY;
	int r = io_replace_file(c->path, str_view(&c->text), 0600, err);

	if (r < 0)
		return r;
	r = table_build_text(c->type, c->path, str_view(&c->text), 0600, SOURCE_MAP, &report);
	if (r < 0)
		return error_set(err, r, "%s", str_cstr(&report));
	str_printf(&index, "%s%s", c->path, table_index_suffix(view_of(c->type)));
	users_hand_to_auth(str_cstr(&index));
	return 0;
}
