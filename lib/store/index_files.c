/*
 * The files of the index: finding, making, deleting them, and setting a damaged one aside. What is in
 * them is env.c's matter.
 */
#include "store/index_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "store/shared.h"

/* For who makes the last changes of an index that was deleted, in ms. */
#define LOCK_PATIENCE 30000
#define LOCK_PAUSE    10
/* Somebody who deletes the index again and again is not followed forever. */
#define OPEN_TRIES 5
/*
 * A second crash within this time, in seconds, is not the index's fault: it was new. So whoever is able
 * to make sessions crash cannot have indexes built all the time.
 */
#define SET_ASIDE_PAUSE 3600

/*
 * One at a time opens, makes or removes an index of this Maildir. A descriptor that holds the lock;
 * -EBUSY if another does not give it back, which may be any program of the user.
 */
static int lock_opening(const char *maildir)
{
	_cleanup_fd_ int fd = open(maildir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	msec_t deadline = clock_after(LOCK_PATIENCE);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (clock_now() >= deadline)
			return -EBUSY;
		usleep(LOCK_PAUSE * 1000);
	}
	return TAKE_FD(fd);
}

static bool is_file(const char *path, const struct file_id *id)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_ino == id->inode && st.st_dev == id->device;
}

bool index_is_current(const struct store *store)
{
	/*
	 * Both: who opens the data file with another lock file is not kept from writing while we do.
	 * Such an index must not be used by anybody any more.
	 */
	return !store->env.condemned && is_file(store->data_file, &store->env.data) &&
	       is_file(store->lock_file, &store->env.lock);
}

/*
 * A data file whose lock file was deleted may be open in processes that hold the deleted one: nothing
 * would keep them and us from writing at the same time.
 */
static int remove_unlocked_data(const struct store *store)
{
	if (access(store->lock_file, F_OK) == 0 || errno != ENOENT)
		return 0;
	return unlink(store->data_file) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_index_files(const char *index, struct error *err)
{
	static const char *const files[] = { "data.mdb", "lock.mdb" };
	_cleanup_(str_free) struct str path = STR_EMPTY;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		str_clear(&path);
		str_printf(&path, "%s/%s", index, files[i]);
		if (unlink(str_cstr(&path)) < 0 && errno != ENOENT)
			return error_errno(err, "remove %s", str_cstr(&path));
	}
	return 0;
}

/* ---- a damaged index ---- */

static void index_aside_path(const struct store *store, struct str *out)
{
	str_printf(out, "%s.damaged", store->index);
}

/* Was one set aside just now? */
static bool index_was_set_aside(const char *aside)
{
	struct stat st;

	return stat(aside, &st) == 0 && clock_wall() - st.st_ctim.tv_sec < SET_ASIDE_PAUSE;
}

/* It is kept, for somebody to look at what was wrong with it; the one before it is not. */
static int index_set_aside(const struct store *store, const char *why, struct error *err)
{
	_cleanup_(str_free) struct str aside = STR_EMPTY, mark = STR_EMPTY;
	int r;

	index_aside_path(store, &aside);
	r = remove_index_files(str_cstr(&aside), err);
	str_printf(&mark, "%s/" MARK_FILE, str_cstr(&aside));
	unlink(str_cstr(&mark));
	if (r == 0 && rename(store->index, str_cstr(&aside)) < 0)
		r = error_errno(err, "rename %s", store->index);
	if (r == 0)
		log_error("mailbox index %s: %s: kept as %s, built again from the files",
			  store->index, why, str_cstr(&aside));
	return r;
}

/* A process ended in the middle of it, or found it damaged. */
static int index_set_aside_marked(const struct store *store, struct error *err)
{
	_cleanup_(str_free) struct str aside = STR_EMPTY, mark = STR_EMPTY;

	str_printf(&mark, "%s/" MARK_FILE, store->index);
	if (!mark_is_set(str_cstr(&mark)))
		return 0;
	index_aside_path(store, &aside);
	if (!index_was_set_aside(str_cstr(&aside)))
		return index_set_aside(store, "a process crashed in it", err);
	log_warning("mailbox index %s: a process crashed in it, though it is new: it stays",
		    store->index);
	if (truncate(str_cstr(&mark), 0) < 0)
		return error_errno(err, "truncate %s", str_cstr(&mark));
	return 0;
}

/* ---- opening ---- */

static int index_try_open(struct store *store)
{
	int r;

	if (mkdir(store->index, 0700) < 0 && errno != EEXIST)
		return -errno;
	r = remove_unlocked_data(store);
	return r < 0 ? r : environment_open(&store->env, store->index, store->limit);
}

/* With the lock held. */
static int index_open_or_make(struct store *store, struct error *err)
{
	int r = index_set_aside_marked(store, err);

	if (r < 0)
		return r;
	r = index_try_open(store);
	/* Somebody is just deleting the folder that was made. */
	for (int i = 0; i < OPEN_TRIES && r == -ENOENT; i++) {
		index_close(store);
		r = index_try_open(store);
	}
	if (r == -EUCLEAN) {
		index_close(store);
		r = index_set_aside(store, "it cannot be opened", err);
		if (r < 0)
			return r;
		r = index_try_open(store);
	}
	if (r < 0) {
		index_close(store);
		error_code(err, r, "open mailbox index %s", store->index);
		/* It is deleted as fast as it is made. */
		return r == -ENOENT ? -EAGAIN : r;
	}
	return 0;
}

int index_open(struct store *store, struct error *err)
{
	_cleanup_fd_ int lock = lock_opening(store_path(store));

	if (lock < 0)
		return error_code(err, lock, "lock %s", store_path(store));
	return index_open_or_make(store, err);
}

void index_close(struct store *store)
{
	(void)shared_commit(store);
	environment_close(&store->env);
}

/* Whoever deleted the one file may not have come to the other yet, and nobody can use it any more. */
static void remove_rest(const struct store *store)
{
	if (is_file(store->data_file, &store->env.data))
		unlink(store->data_file);
	if (is_file(store->lock_file, &store->env.lock))
		unlink(store->lock_file);
}

/* What a good index still owes to the files, before nobody has it any more. */
static void index_run_last(struct store *store, store_work *last)
{
	bool first;
	int r;

	if (store->env.condemned)
		return;
	remove_rest(store);
	first = access(store->data_file, F_OK) < 0 && errno == ENOENT;
	r = write_here(store, WRITE_LAZY, NULL, last, &first);
	if (r < 0)
		log_warning("mailbox index %s: the last changes before it was deleted: %s",
			    store->index, strerror(-r));
}

int index_renew(struct store *store, store_work *last, struct error *err)
{
	_cleanup_fd_ int lock = lock_opening(store_path(store));
	struct environment old = store->env;
	int r;

	if (lock < 0)
		return error_code(err, lock, "lock %s", store_path(store));
	index_run_last(store, last);
	store->env = (struct environment){ .mark = -1 };
	r = index_open_or_make(store, err);
	if (r < 0)
		store->env = old;
	else
		environment_close(&old);
	return r;
}

int store_drop_index(const char *maildir, struct error *err)
{
	_cleanup_(str_free) struct str index = STR_EMPTY;
	_cleanup_fd_ int lock = lock_opening(maildir);

	if (lock == -ENOENT)
		return 0;
	folder_path_append(&index, maildir, VIEW_NONE);
	str_append_cstr(&index, "/posta.index");
	return remove_index_files(str_cstr(&index), err);
}
