/*
 * The file work that transactions have left to do: renames, removals. Also where to look for a file that is
 * not where it should be, since both are about the same thing: a name that is not up to date.
 */
#include "store/owed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/directory.h"

/*
 * A directory that was changed. What was not changed by anybody since it was last read need not be
 * read again because of our own changes.
 */
struct touched {
	uint32_t folder;
	enum part part;
	bool unchanged;
	char *path;
};

struct run {
	struct tx *tx;
	size_t left; /* pieces */
	msec_t deadline;
	struct touched *touched;
	size_t count;
	int failure; /* of the last piece that could not be done */
	bool keep_folders;
};

static void run_free(struct run *run)
{
	for (size_t i = 0; i < run->count; i++)
		free(run->touched[i].path);
	free(run->touched);
}

static void touch(struct run *run, const struct folder *folder, enum part part)
{
	for (size_t i = run->count; i-- > 0;)
		if (run->touched[i].folder == folder->r.id && run->touched[i].part == part)
			return;

	_cleanup_(str_free) struct str path = STR_EMPTY;

	folder_part_path(run->tx->store, folder, part, &path);
	run->touched = mem_resize(run->touched, run->count + 1, sizeof(*run->touched));
	run->touched[run->count++] = (struct touched){
		.folder = folder->r.id,
		.part = part,
		/* In new/ nothing may be missed, and to read it again costs little. */
		.unchanged = part == PART_CUR && folder->r.cur_time != 0 &&
			     directory_time(str_cstr(&path)) == folder->r.cur_time,
		.path = str_take(&path),
	};
}

/* Files first: once the transaction is durable nobody remembers what was owed. */
static int sync_touched(struct run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		struct touched *t = &run->touched[i];
		int r = io_sync_directory(t->path);
		struct folder folder;

		if (r < 0 && r != -ENOENT)
			return r;
		if (!t->unchanged)
			continue;
		r = folder_load(run->tx, t->folder, &folder);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		/* A file was missed meanwhile: it is to be read. */
		if (folder.r.cur_time == 0)
			continue;
		folder.r.cur_time = directory_time(t->path);
		r = folder_save(run->tx, &folder);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- finding what others renamed ---- */

/* A copy in the same folder differs in the UID alone, and UIDs are never used again. */
static bool is_anothers(const struct seeker *seeker, uint32_t uid)
{
	struct mail mail;

	return seeker != NULL && uid != seeker->uid &&
	       mail_load(seeker->tx, seeker->folder, uid, &mail) != -ENOENT;
}

static int locate_in(const char *path, const struct file_name *wanted, const struct seeker *seeker,
		     struct str *name)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int r = -ENOENT;

	if (directory == NULL)
		return errno == ENOTDIR ? -ENOENT : -errno;
	while (r != 0) {
		errno = 0;
		entry = readdir(directory);
		/* Of half a list does not follow that a file is not there. */
		if (entry == NULL) {
			r = errno != 0 ? -errno : -ENOENT;
			break;
		}
		struct file_name found;

		if (!file_name_parse(view_of(entry->d_name), &found) ||
		    !view_eq(found.base, wanted->base))
			continue;
		/* It may have got its UID since. */
		if (found.uid != wanted->uid &&
		    (wanted->uid != 0 || is_anothers(seeker, found.uid)))
			continue;
		str_append_cstr(name, entry->d_name);
		r = 0;
	}
	closedir(directory);
	return r;
}

int file_locate(const char *directory, struct view file, const struct seeker *seeker,
		enum part *part, struct str *name)
{
	static const enum part places[] = { PART_CUR, PART_NEW, PART_TMP };
	struct file_name wanted;

	if (!file_name_parse(file, &wanted))
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_(str_free) struct str path = STR_EMPTY;
		int r;

		str_printf(&path, "%s/%s", directory, part_name(places[i]));
		r = locate_in(str_cstr(&path), &wanted, seeker, name);
		*part = places[i];
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

/* ---- tidying: the file gets the name and the place that the index says ---- */

static int move_file(struct run *run, const struct folder *from, struct mail *mail,
		     const struct folder *to, uint32_t uid, struct view target)
{
	struct seeker seeker = { run->tx, from->r.id, from == to ? uid : 0 };
	_cleanup_(str_free) struct str source = STR_EMPTY, destination = STR_EMPTY,
				       found = STR_EMPTY;
	enum part part;
	int r;

	touch(run, from, mail->r.part);
	touch(run, to, PART_CUR);
	folder_part_path(run->tx->store, from, mail->r.part, &source);
	str_printf(&source, "/%s", mail->file);
	folder_part_path(run->tx->store, to, PART_CUR, &destination);
	str_printf(&destination, "/%.*s", VIEW_ARG(target));
	if (rename(str_cstr(&source), str_cstr(&destination)) == 0)
		return 0;
	if (errno != ENOENT)
		return -errno;
	/* Done before a crash that took the transaction along; or another program renamed it. */
	if (access(str_cstr(&destination), F_OK) == 0)
		return 0;
	str_clear(&source);
	folder_directory(run->tx->store, from, &source);
	r = file_locate(str_cstr(&source), mail->r.file, &seeker, &part, &found);
	if (r < 0)
		return r;
	touch(run, from, part);
	str_printf(&source, "/%s/%s", part_name(part), str_cstr(&found));
	return rename(str_cstr(&source), str_cstr(&destination)) < 0 ? -errno : 0;
}

/* 0: done, or there is nothing to be done any more. */
static int tidy(struct run *run, uint32_t id, uint32_t uid)
{
	_cleanup_(str_free) struct str target = STR_EMPTY;
	struct folder folder, other, *from = &folder;
	struct state_record state;
	struct mail mail;
	int r = folder_load(run->tx, id, &folder);

	if (r == 0)
		r = mail_load(run->tx, id, uid, &mail);
	if (r == 0)
		r = state_load(run->tx, id, uid, &state);
	if (r == 0 && mail.r.where != id) {
		from = &other;
		r = folder_load(run->tx, mail.r.where, &other);
	}
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	mail_target_name(&target, uid, &mail.r, &state);
	if (mail.r.where == id && mail.r.part == PART_CUR &&
	    view_eq(mail.r.file, str_view(&target)))
		return 0;
	r = move_file(run, from, &mail, &folder, uid, str_view(&target));
	if (r == -ENOENT) {
		/* Its file is lost: reading cur/, where it now should be, tells so to everybody. */
		folder.r.cur_time = 0;
		r = folder_save(run->tx, &folder);
	}
	if (r < 0)
		return r;
	mail.r.where = id;
	mail.r.part = PART_CUR;
	mail.r.file = str_view(&target);
	return mail_save(run->tx, id, uid, &mail.r);
}

/* Whether one more piece may be done. */
static bool may_go_on(struct run *run)
{
	if (run->left == 0 || clock_now() >= run->deadline)
		return false;
	run->left--;
	return true;
}

static int settle_tidy(struct run *run)
{
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, run->tx, DB_TIDY, VIEW_NONE, VIEW_NONE); r > 0 && may_go_on(run);
	     r = walk_next(&walk)) {
		uint32_t folder, uid;
		int done = key_uid_decode(walk.key, &folder, &uid);

		if (done == 0)
			done = tidy(run, folder, uid);
		if (run->tx->result != TX_GOOD) {
			r = done;
			break;
		}
		if (done < 0) {
			log_warning("mailbox %s: rename the file of message %u: %s",
				    run->tx->store->path, uid, strerror(-done));
			run->failure = done;
			continue;
		}
		r = walk_delete(&walk);
		if (r < 0)
			break;
	}
	walk_end(&walk);
	return r;
}

/* ---- removing ---- */

/* The files of one directory; what is no file, or no directory, stays. */
static int empty_directory(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory;
	struct dirent *entry;
	int r;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
	directory = fdopendir(fd);
	if (directory == NULL) {
		r = -errno;
		close(fd);
		return r;
	}
	while (errno = 0, (entry = readdir(directory)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(fd, entry->d_name, 0);
	r = -errno;
	closedir(directory);
	return r;
}

/* Out of the way first, so that its name is free; then bit by bit. */
static int remove_folder(struct run *run, struct view name, uint64_t serial)
{
	static const char *const parts[] = { "cur", "new", "tmp" };
	_cleanup_(str_free) struct str from = STR_EMPTY, aside = STR_EMPTY;
	int r = 0;

	str_printf(&from, "%s/%.*s", run->tx->store->path, VIEW_ARG(name));
	str_printf(&aside, "%s/posta-deleted.%llu", run->tx->store->path,
		   (unsigned long long)serial);
	if (rename(str_cstr(&from), str_cstr(&aside)) < 0 && errno != ENOENT)
		return -errno;

	_cleanup_fd_ int fd =
		open(str_cstr(&aside), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++) {
		r = empty_directory(fd, parts[i]);
		unlinkat(fd, parts[i], AT_REMOVEDIR);
	}
	if (r == 0)
		r = empty_directory(fd, ".");
	if (r < 0)
		return r;
	if (rmdir(str_cstr(&aside)) < 0)
		log_warning("folder %s has more in it than mail and stays: %s", str_cstr(&aside),
			    strerror(errno));
	return 0;
}

static int owed_remove_file(struct run *run, const struct gone_record *gone)
{
	struct seeker seeker = { run->tx, gone->where, 0 };
	_cleanup_(str_free) struct str path = STR_EMPTY, found = STR_EMPTY;
	struct folder folder;
	enum part part;
	int r = folder_load(run->tx, gone->where, &folder);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	touch(run, &folder, gone->part);
	folder_part_path(run->tx->store, &folder, gone->part, &path);
	str_printf(&path, "/%.*s", VIEW_ARG(gone->file));
	if (unlink(str_cstr(&path)) == 0)
		return 0;
	if (errno != ENOENT)
		return -errno;
	str_clear(&path);
	folder_directory(run->tx->store, &folder, &path);
	r = file_locate(str_cstr(&path), gone->file, &seeker, &part, &found);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	touch(run, &folder, part);
	str_printf(&path, "/%s/%s", part_name(part), str_cstr(&found));
	return unlink(str_cstr(&path)) < 0 && errno != ENOENT ? -errno : 0;
}

static int settle_gone(struct run *run)
{
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, run->tx, DB_GONE, VIEW_NONE, VIEW_NONE); r > 0 && may_go_on(run);
	     r = walk_next(&walk)) {
		struct gone_record gone;
		uint64_t serial;
		int done = gone_record_decode(walk.value, &gone);

		if (done == 0)
			done = key_serial_decode(walk.key, &serial);
		if (done == 0)
			done = gone.part != PART_DIRECTORY ? owed_remove_file(run, &gone)
			       : run->keep_folders	   ? 0
							   : remove_folder(run, gone.file, serial);
		if (run->tx->result != TX_GOOD) {
			r = done;
			break;
		}
		if (done < 0 && done != -EBADMSG) {
			log_warning("mailbox %s: remove %.*s: %s", run->tx->store->path,
				    VIEW_ARG(gone.file), strerror(-done));
			run->failure = done;
			continue;
		}
		r = walk_delete(&walk);
		if (r < 0)
			break;
	}
	walk_end(&walk);
	return r;
}

static int owed_run(struct run *run)
{
	int tidy_more = settle_tidy(run), gone_more = 0, r = tidy_more;

	if (r >= 0) {
		gone_more = settle_gone(run);
		r = gone_more;
	}
	if (r >= 0)
		r = sync_touched(run);
	return r < 0 ? r : tidy_more > 0 || gone_more > 0;
}

int owed_settle(struct tx *tx, size_t max, msec_t deadline, int *failure)
{
	_cleanup_(run_free) struct run run = { .tx = tx, .left = max, .deadline = deadline };
	int r = owed_run(&run);

	*failure = run.failure;
	return r;
}

int owed_settle_all(struct tx *tx)
{
	int failure, r = owed_settle(tx, SIZE_MAX, MSEC_FOREVER, &failure);

	return r < 0 ? r : failure;
}

int owed_settle_last(struct tx *tx, bool folders)
{
	_cleanup_(run_free) struct run run = {
		.tx = tx, .left = SIZE_MAX, .deadline = MSEC_FOREVER, .keep_folders = !folders
	};
	int r = owed_run(&run);

	return MIN(r, 0);
}

/* ---- who reads directories meanwhile ---- */

void owed_key(struct str *out, enum part part, struct view file)
{
	struct file_name name;

	str_append_byte(out, (char)('0' + part));
	if (file_name_parse(file, &name))
		str_printf(out, "%u/%.*s", name.uid, VIEW_ARG(name.base));
	else
		str_append(out, file);
}

static void note_file(struct map *known, enum part part, struct view file)
{
	_cleanup_(str_free) struct str key = STR_EMPTY;

	owed_key(&key, part, file);
	map_put(known, str_view(&key), known);
}

static int note_untidy(struct tx *tx, uint32_t where, struct map *known)
{
	struct walk walk;
	int r;

	for (r = walk_begin(&walk, tx, DB_TIDY, VIEW_NONE, VIEW_NONE); r > 0;
	     r = walk_next(&walk)) {
		uint32_t folder, uid;
		struct mail mail;

		if (key_uid_decode(walk.key, &folder, &uid) < 0 ||
		    mail_load(tx, folder, uid, &mail) < 0 || mail.r.where != where)
			continue;
		/* Of this folder's own in cur/ the index knows the name. */
		if (folder != where || mail.r.part != PART_CUR)
			note_file(known, mail.r.part, mail.r.file);
	}
	walk_end(&walk);
	return r;
}

int owed_files(struct tx *tx, uint32_t folder, struct map *known)
{
	struct walk walk;
	int r = note_untidy(tx, folder, known);

	if (r < 0)
		return r;
	for (r = walk_begin(&walk, tx, DB_GONE, VIEW_NONE, VIEW_NONE); r > 0;
	     r = walk_next(&walk)) {
		struct gone_record gone;

		if (gone_record_decode(walk.value, &gone) == 0 && gone.where == folder &&
		    gone.part != PART_DIRECTORY)
			note_file(known, gone.part, gone.file);
	}
	walk_end(&walk);
	return r;
}
