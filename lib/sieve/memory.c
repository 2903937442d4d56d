/* What scripts remember, in a file that is replaced under a lock; and what was sent for a delivery. */
#include "sieve/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"

#define MEMORY_FILE_MAX ((size_t)SIEVE_MEMORY_MAX * 160)
#define IDENTITY_MAX	80
#define LOCK_PATIENCE	2000 /* ms: it is held for as long as a small file is written */
#define LOCK_PAUSE	20   /* ms */

static void memory_path(const char *maildir, const char *name, struct str *path)
{
	str_printf(path, "%s/" SIEVE_STATE "%s%s", strcmp(maildir, "/") == 0 ? "" : maildir,
		   name[0] != '\0' ? "/" : "", name);
}

static int memory_lock(const char *maildir, struct error *err)
{
	_cleanup_(str_free) struct str folder = STR_EMPTY, path = STR_EMPTY;
	int r;

	memory_path(maildir, "", &folder);
	r = io_make_directories(str_cstr(&folder), 0700, err);
	if (r < 0)
		return r;
	memory_path(maildir, "lock", &path);

	_cleanup_fd_ int fd =
		open(str_cstr(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return error_errno(err, "open %s", str_cstr(&path));
	/* The user has programs too, and one of them may keep it. */
	for (msec_t deadline = clock_after(LOCK_PATIENCE); flock(fd, LOCK_EX | LOCK_NB) < 0;) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_errno(err, "lock %s", str_cstr(&path));
		if (clock_now() >= deadline)
			return error_set(err, -EBUSY, "somebody else has locked %s",
					 str_cstr(&path));
		usleep(LOCK_PAUSE * 1000);
	}
	return TAKE_FD(fd);
}

static int memory_read(const char *maildir, struct str *text, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int r;

	memory_path(maildir, "memory", &path);
	r = io_read_file(str_cstr(&path), MEMORY_FILE_MAX, text, err);
	return r == -ENOENT ? 0 : r;
}

struct memory_entry {
	struct view key, identity, line;
	int64_t until;
};

/* False for a line that is none. */
static bool memory_parse(struct view line, struct memory_entry *entry)
{
	struct view rest = line, until;
	uint64_t number;

	*entry = (struct memory_entry){ .line = line };
	if (!view_next_word(&rest, " ", &entry->key) || !view_next_word(&rest, " ", &until) ||
	    view_parse_u64(until, INT64_MAX, &number) < 0)
		return false;
	entry->until = (int64_t)number;
	(void)view_next_word(&rest, " ", &entry->identity);
	return true;
}

/* Another delivery's, and not over. */
static bool memory_found(struct view text, struct view key, struct view identity, int64_t now)
{
	struct memory_entry entry;
	struct view line;

	while (view_next(&text, '\n', &line))
		if (memory_parse(line, &entry) && view_eq(entry.key, key) && entry.until > now &&
		    (identity.len == 0 || !view_eq(entry.identity, identity)))
			return true;
	return false;
}

int sieve_memory_has(const char *maildir, struct view key, struct view identity, int64_t now,
		     struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	int r = memory_read(maildir, &text, err);

	return r < 0 ? r : memory_found(str_view(&text), key, identity, now);
}

/* The entries that stay: not over, and not the one that is replaced; the oldest give way. */
static void memory_keep(struct view text, struct view key, int64_t now, struct str *out)
{
	struct memory_entry entry;
	struct view line;
	size_t count = 0, skip;

	for (struct view rest = text; view_next(&rest, '\n', &line);)
		count +=
			memory_parse(line, &entry) && entry.until > now && !view_eq(entry.key, key);
	skip = count >= SIEVE_MEMORY_MAX ? count - SIEVE_MEMORY_MAX + 1 : 0;
	for (struct view rest = text; view_next(&rest, '\n', &line);) {
		if (!memory_parse(line, &entry) || entry.until <= now || view_eq(entry.key, key))
			continue;
		if (skip > 0) {
			skip--;
			continue;
		}
		str_append(out, line);
		str_append_byte(out, '\n');
	}
}

int sieve_memory_note(const char *maildir, struct view key, struct view identity, int64_t now,
		      int64_t until, bool anew, struct error *err)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, kept = STR_EMPTY, path = STR_EMPTY;
	_cleanup_fd_ int lock = memory_lock(maildir, err);
	int r = lock < 0 ? lock : memory_read(maildir, &text, err);

	if (r == -EFBIG) /* not of ours */
		str_clear(&text);
	else if (r < 0)
		return r;
	if (!anew && memory_found(str_view(&text), key, identity, now))
		return 1;
	memory_keep(str_view(&text), key, now, &kept);
	str_printf(&kept, "%.*s %lld %.*s\n", VIEW_ARG(key), (long long)until,
		   VIEW_ARG(view_first(identity, IDENTITY_MAX)));
	memory_path(maildir, "memory", &path);
	return io_replace_file(str_cstr(&path), str_view(&kept), 0600, err);
}

bool sieve_telling_is_due(const char *maildir, int64_t now, int64_t seconds)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct error err = ERROR_NONE;
	_cleanup_fd_ int lock = memory_lock(maildir, &err);
	struct stat st;

	memory_path(maildir, "told", &path);
	if (lock < 0 || (stat(str_cstr(&path), &st) == 0 && now - st.st_mtime < seconds))
		return false;
	return io_replace_file(str_cstr(&path), VIEW_NONE, 0600, &err) == 0;
}

/* ---- what has been sent ---- */

#define SENT_FOLDER "sent"

static bool identity_is_name(struct view identity)
{
	for (size_t i = 0; i < identity.len; i++)
		if (!ascii_is_alnum(identity.data[i]))
			return false;
	return identity.len > 0 && identity.len <= IDENTITY_MAX;
}

static void sent_path(const char *maildir, int64_t day, struct view identity, struct str *path)
{
	memory_path(maildir, SENT_FOLDER, path);
	str_printf(path, "/%lld", (long long)day);
	if (identity.len > 0)
		str_printf(path, "/%.*s", VIEW_ARG(identity));
}

bool sieve_sent_has(const char *maildir, int64_t day, struct view identity)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	if (!identity_is_name(identity))
		return false;
	sent_path(maildir, day, identity, &path);
	return access(str_cstr(&path), F_OK) == 0;
}

/* All of a day. */
static void sent_remove(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	while (folder != NULL && (entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(folder), entry->d_name, 0);
	if (folder != NULL)
		closedir(folder);
	(void)rmdir(path);
}

static void sent_remove_old(const char *maildir, int64_t before)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct dirent *entry;
	DIR *folder;

	memory_path(maildir, SENT_FOLDER, &path);
	folder = opendir(str_cstr(&path));
	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		_cleanup_(str_free) struct str old = STR_EMPTY;
		uint64_t day;

		if (view_parse_u64(view_of(entry->d_name), INT64_MAX, &day) < 0 ||
		    (int64_t)day >= before)
			continue;
		str_printf(&old, "%s/%s", str_cstr(&path), entry->d_name);
		sent_remove(str_cstr(&old));
	}
	if (folder != NULL)
		closedir(folder);
}

int sieve_sent_note(const char *maildir, int64_t day, struct view identity, int64_t keep,
		    struct error *err)
{
	_cleanup_(str_free) struct str folder = STR_EMPTY, path = STR_EMPTY;
	int r;

	if (!identity_is_name(identity))
		return error_set(err, -EINVAL, "this identity is none");
	sent_path(maildir, day, VIEW_NONE, &folder);
	if (access(str_cstr(&folder), F_OK) < 0) {
		sent_remove_old(maildir, day - keep);
		r = io_make_directories(str_cstr(&folder), 0700, err);
		if (r < 0)
			return r;
	}
	sent_path(maildir, day, identity, &path);

	_cleanup_fd_ int fd =
		open(str_cstr(&path), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return error_errno(err, "create %s", str_cstr(&path));
	r = io_sync_directory(str_cstr(&folder));
	return r < 0 ? error_code(err, r, "fsync %s", str_cstr(&folder)) : 0;
}
