/*
 * posta check: the lines of the users' file, and whose the mailboxes are. What is wrong with a line
 * is found when it is compiled, too; but who edits the file by hand looks here before.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/map.h"
#include "base/mem.h"
#include "tools/check.h"
#include "user/user.h"

#define USERS_FILE_MAX ((size_t)256 << 20)
#define PROBLEMS_MAX   50     /* told of one file, and of mailboxes */
#define MAILBOXES_MAX  10000  /* looked at */
#define ENTRIES_MAX    100000 /* of one mailbox */

struct users_check {
	const char *path;
	struct map *seen; /* name -> line number */
	int line, problems, mailboxes, owners;
};

static void users_complain(struct users_check *c, const char *what)
{
	if (++c->problems <= PROBLEMS_MAX)
		check_error("%s, line %d: %s", c->path, c->line, what);
}

/* ---- mailboxes ---- */

static bool owner_is_wrong(struct users_check *c, const struct user *user, const char *path,
			   const struct stat *st)
{
	if (st->st_uid == user->uid)
		return false;
	if (++c->owners <= PROBLEMS_MAX)
		check_error("%s belongs to uid %u, but mail of %s is handled as uid %u", path,
			    st->st_uid, user->name, user->uid);
	return true;
}

/* The folders and files in it; a few wrong ones say as much as all. */
static void check_mailbox_entries(struct users_check *c, const struct user *user)
{
	_cleanup_fd_ int fd = open(user->mail, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	struct stat st;

	if (folder == NULL)
		return;
	for (int i = 0; i < ENTRIES_MAX && (entry = readdir(folder)) != NULL; i++) {
		_cleanup_(str_free) struct str path = STR_EMPTY;

		if (strcmp(entry->d_name, "..") == 0 ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		str_printf(&path, "%s/%s", user->mail, entry->d_name);
		if (owner_is_wrong(c, user, str_cstr(&path), &st))
			break;
	}
	(void)TAKE_FD(fd);
	closedir(folder);
}

/* Only root sees all of them. */
static void check_mailbox(struct users_check *c, const struct user *user)
{
	struct stat st;

	if (geteuid() != 0 || c->mailboxes++ >= MAILBOXES_MAX || lstat(user->mail, &st) < 0)
		return;
	if (owner_is_wrong(c, user, user->mail, &st) || !S_ISDIR(st.st_mode))
		return;
	if (st.st_mode & (S_IROTH | S_IWOTH) && ++c->owners <= PROBLEMS_MAX)
		check_warning("%s: others can read the mail of %s", user->mail, user->name);
	check_mailbox_entries(c, user);
}

/* ---- lines ---- */

static void check_users_line(struct users_check *c, struct view line)
{
	struct error err = ERROR_NONE;
	struct user user = { 0 };
	int before;

	if (user_check_line(line, &err) < 0 || user_parse(line, &user, &err) < 0) {
		users_complain(c, err.text);
		return;
	}
	before = (int)(uintptr_t)map_get(c->seen, view_of(user.name));
	if (before > 0) {
		snprintf(err.text, sizeof(err.text), "%.200s stands in line %d already", user.name,
			 before);
		users_complain(c, err.text);
	}
	map_put(c->seen, view_of(user.name), (void *)(uintptr_t)c->line);
	if (user.uid == 0 || user.gid == 0)
		users_complain(c, "a user with the rights of root is refused");
	if (user.password != NULL && password_check_scheme(user.password, &err) < 0)
		users_complain(c, err.text);
	check_mailbox(c, &user);
	user_free(&user);
}

/* The text of the first table, if it is compiled from one. */
static bool users_text_path(struct str *path)
{
	struct view rest = view_of(param.mailbox_users), first;
	static const char *const types[] = { "hash:", "btree:", "lmdb:", "texthash:" };

	if (!conf_next_element(&rest, &first))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (view_starts(first, view_of(types[i]))) {
			str_append(path, view_from(first, strlen(types[i])));
			return true;
		}
	return false;
}

void check_users(void)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, text = STR_EMPTY;
	struct users_check c = { .line = 0 };
	struct error err = ERROR_NONE;
	struct view rest, line;

	/* It may belong to a site that has no mailbox users. */
	if (!users_text_path(&path) || access(str_cstr(&path), F_OK) < 0)
		return;
	if (io_read_file(str_cstr(&path), USERS_FILE_MAX, &text, &err) < 0) {
		check_warning("%s: the users are not looked at", err.text);
		return;
	}
	c.path = str_cstr(&path);
	c.seen = map_new();
	rest = str_view(&text);
	while (view_next(&rest, '\n', &line)) {
		struct view bare = view_trim(line);

		c.line++;
		if (bare.len > 0 && bare.data[0] != '#')
			check_users_line(&c, bare);
	}
	if (c.problems > PROBLEMS_MAX || c.owners > PROBLEMS_MAX)
		check_error("%s, and mailboxes: %d more like these", c.path,
			    MAX(c.problems - PROBLEMS_MAX, 0) + MAX(c.owners - PROBLEMS_MAX, 0));
	map_free(c.seen);
	str_wipe(&text);
}
