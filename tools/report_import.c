/*
 * Where mails with reports are: files, Maildirs, the inbox of a user. They are opened with the rights of whoever owns
 * the place; what is in them is read elsewhere (report_parse.c).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "tools/place.h"
#include "tools/report.h"
#include "tools/tool.h"
#include "user/user.h"

#define REPORT_MAILS_MAX 1000000 /* of a folder */

/* ---- one mail ---- */

struct importing {
	struct sqlite3 *db;
	struct report_tally *tally;
	struct error *err;
	int64_t now;
};

static int importing_note(struct importing *importing, int r)
{
	importing->tally->reports += r == 1;
	importing->tally->known += r == 0;
	return MIN(r, 0);
}

static int import_aggregate(void *argument, const struct aggregate_report *report)
{
	struct importing *importing = argument;

	return importing_note(importing, report_store_aggregate(importing->db, report,
								importing->now, importing->err));
}

static int import_feedback(void *argument, const struct feedback_report *report)
{
	struct importing *importing = argument;

	return importing_note(importing, report_store_feedback(importing->db, report,
							       importing->now, importing->err));
}

/* All of its reports are stored, or none. `name`: it will not be read again; NULL: it may be. */
static void import_mail(struct sqlite3 *db, const char *shown, const char *name, struct view mail,
			struct report_tally *tally)
{
	struct error err = ERROR_NONE;
	struct report_tally before = *tally;
	struct importing importing = { db, tally, &err, clock_wall() };
	struct report_reader reader = { import_aggregate, import_feedback, &importing,
					view_of(param.myhostname) };
	int r = report_store_begin(db), kept = 0;

	if (r == 0)
		r = report_parse(mail, &reader, REPORT_PARSE_TIME, &err);
	if (r < 0) {
		*tally = before;
		tally->failed++;
		(void)report_store_end(db, false);
		(void)tool_fail("report", "%s: %s", shown, err.text);
		/* Another look at the mail would find the same; a full disk or so does not last. */
		if (r != -EBADMSG || name == NULL || report_store_begin(db) < 0)
			return;
	}
	tally->mails++;
	if (name != NULL)
		kept = report_store_note(db, name, importing.now);
	if (kept < 0 || report_store_end(db, true) < 0) {
		*tally = before;
		tally->failed++;
		(void)report_store_end(db, false);
		(void)tool_fail("report", "%s: the database cannot be written", shown);
	}
}

/* Takes the descriptor. */
static int mail_slurp(int fd, struct str *mail)
{
	_cleanup_fd_ int taken = fd;
	char buffer[2048];
	struct stat st;
	ssize_t n;

	if (fstat(taken, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	while ((n = read(taken, buffer, sizeof(buffer))) > 0) {
		str_append(mail, view_make(buffer, (size_t)n));
		if (mail->len > REPORT_MAIL_MAX)
			return -EFBIG;
	}
	return n < 0 ? -errno : 0;
}

/* ---- a Maildir ---- */

struct mail_names {
	char **items;
	size_t count;
};

static void mail_names_free(struct mail_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
}

/* Of a folder, as its owner. 0 or a negative errno. */
static int mail_names_read(const char *path, const struct place *owner, struct mail_names *names)
{
	const struct dirent *entry;
	DIR *folder = NULL;
	int r = place_enter(owner), fd = -1;

	if (r == 0)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r == 0)
		folder = fd >= 0 ? fdopendir(fd) : NULL;
	if (r == 0 && folder == NULL)
		r = -errno;
	while (folder != NULL && names->count < REPORT_MAILS_MAX &&
	       (entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		array_grow(names->items, names->count);
		names->items[names->count++] = mem_strdup(entry->d_name);
	}
	if (folder != NULL)
		closedir(folder);
	(void)place_leave();
	return r;
}

static int mail_open(const char *path, const struct place *owner)
{
	int r = place_enter(owner), fd;

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	r = fd < 0 ? -errno : fd;
	(void)place_leave();
	return r;
}

/* The name without its flags: it stays when a message is seen, or moved from new to cur. */
static void import_file_of(struct sqlite3 *db, const char *folder, const char *name,
			   const struct place *owner, struct report_tally *tally)
{
	_cleanup_(str_free) struct str path = STR_EMPTY, key = STR_EMPTY, mail = STR_EMPTY;
	struct view base = view_of(name);
	int r;

	str_append(&key, view_first(base, MIN(view_find_byte(base, ':'), base.len)));
	if (report_store_knows(db, str_cstr(&key)))
		return;
	str_printf(&path, "%s/%s", folder, name);
	r = mail_open(str_cstr(&path), owner);
	if (r >= 0)
		r = mail_slurp(r, &mail);
	/* It was moved, or expunged, meanwhile: the next time. */
	if (r == -ENOENT || r == -EISDIR || r == -ELOOP)
		return;
	if (r < 0) {
		tally->failed++;
		(void)tool_fail("report", "%s: %s", str_cstr(&path), strerror(-r));
		return;
	}
	import_mail(db, str_cstr(&path), str_cstr(&key), str_view(&mail), tally);
}

static int import_maildir(struct sqlite3 *db, const char *path, const struct place *owner,
			  struct report_tally *tally)
{
	static const char *const parts[] = { "new", "cur" };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		_cleanup_(mail_names_free) struct mail_names names = { NULL, 0 };
		_cleanup_(str_free) struct str folder = STR_EMPTY;
		int r;

		str_printf(&folder, "%s/%s", path, parts[i]);
		r = mail_names_read(str_cstr(&folder), owner, &names);
		if (r < 0 && !(r == -ENOENT && i == 0))
			return tool_fail("report", "%s: %s", str_cstr(&folder), strerror(-r));
		for (size_t j = 0; j < names.count; j++)
			import_file_of(db, str_cstr(&folder), names.items[j], owner, tally);
	}
	return TOOL_DONE;
}

int report_import_path(struct sqlite3 *db, const char *path, struct report_tally *tally)
{
	_cleanup_(str_free) struct str mail = STR_EMPTY;
	struct place owner = { 0, 0 };
	int fd = STDIN_FILENO, r = 0;

	if (strcmp(path, "-") != 0) {
		fd = place_open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
		(void)place_leave();
	}
	r = fd < 0 ? fd : mail_slurp(fd, &mail);
	if (r == -EISDIR) {
		r = place_find(path, &owner);
		if (r == 0)
			return import_maildir(db, path, &owner, tally);
	}
	if (r < 0)
		return tool_fail("report", "%s: %s", path, strerror(-r));
	import_mail(db, path, NULL, str_view(&mail), tally);
	return TOOL_DONE;
}

int report_import_user(struct sqlite3 *db, struct view name, struct report_tally *tally)
{
	_cleanup_(user_free) struct user user = { .name = NULL };
	struct error err = ERROR_NONE;
	struct place owner;
	int r = users_open(&err);

	if (r == 0)
		r = user_find(name, &user, &err);
	users_close();
	if (r < 0)
		return tool_fail("report", "%s", err.text);
	if (r == 0)
		return tool_fail("report", "there is no user %.*s", VIEW_ARG(name));
	owner = (struct place){ user.uid, user.gid };
	return import_maildir(db, user.mail, &owner, tally);
}
