/*
 * Files beside tables whose change is noticed like that of a table: certificates and keys. A path
 * may lead over symbolic links, of which a renewal replaces one: each of them is watched.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/list.h"
#include "base/mem.h"
#include "table/internal.h"

#define WATCHED_LINKS_MAX 16 /* on the way to one file */

struct watched {
	struct list link;
	int fd; /* of the file or of the symbolic link itself */
	struct stat seen;
};

static struct list watched_files = { &watched_files, &watched_files };

static int watched_add(const char *path, struct stat *st, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct watched *w;

	if (fd < 0 || fstat(fd, st) < 0)
		return error_errno(err, "watch %s", path);
	w = mem_new(struct watched);
	w->fd = TAKE_FD(fd);
	w->seen = *st;
	list_push_back(&watched_files, &w->link);
	return 0;
}

/* Where a symbolic link leads, seen from where it is: in the place of its own path. */
static int watched_follow(struct str *path, struct error *err)
{
	_cleanup_(str_free) struct str target = STR_EMPTY, folder = STR_EMPTY;
	int r = io_read_link(str_cstr(path), &target);

	if (r < 0)
		return error_code(err, r, "read the link %s", str_cstr(path));
	if (view_starts(str_view(&target), VIEW("/"))) {
		str_set(path, str_view(&target));
	} else {
		io_folder_of(str_cstr(path), &folder);
		str_clear(path);
		str_printf(path, "%s/%s", str_cstr(&folder), str_cstr(&target));
	}
	return path->len < PATH_MAX ? 0 : error_set(err, -ENAMETOOLONG, "a link leads too far");
}

static int watched_add_way(struct view path, struct error *err)
{
	_cleanup_(str_free) struct str way = STR_EMPTY;
	struct stat st;

	if (path.len >= PATH_MAX)
		return error_set(err, -ENAMETOOLONG, "a path is too long");
	str_append(&way, path);
	for (int links = 0; links < WATCHED_LINKS_MAX; links++) {
		int r = watched_add(str_cstr(&way), &st, err);

		if (r == 0 && S_ISLNK(st.st_mode))
			r = watched_follow(&way, err);
		if (r < 0 || !S_ISLNK(st.st_mode))
			return r;
	}
	return error_set(err, -ELOOP, "%.*s: too many symbolic links", VIEW_ARG(path));
}

int table_watch_files(const char *const *lists, size_t count, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		struct view rest = view_of(lists[i] != NULL ? lists[i] : ""), path;

		while (r == 0 && view_next_word(&rest, " ,\t\r\n", &path))
			r = watched_add_way(path, err);
	}
	return r;
}

bool watched_any_changed(void)
{
	struct stat now;

	list_for_each (&watched_files, struct watched, link, w)
		if (fstat(w->fd, &now) < 0 || stat_has_changed(&w->seen, &now))
			return true;
	return false;
}

int watched_notify(int notify_fd)
{
	int count = 0;

	list_for_each (&watched_files, struct watched, link, w) {
		int r = notify_add(notify_fd, w->fd);

		if (r < 0)
			return r;
		count++;
	}
	return count;
}
