/*
 * The cache's file: found safe or made anew, locked, given to LMDB, and thrown away when it is damaged.
 * What is in it is cache.c's matter.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "cache/internal.h"

#define EMPTY_PATIENCE 100 /* ms; another process has made the file, and not begun it yet */
/* So many processes in a row that opened it and came to no good end are its fault. */
#define UNPROVEN_MAX 3
#define NOTES_MAX    512

/* Room of one entry: two pages that are half empty hold three of the largest, and their two ends. */
#define ENTRY_ROOM  (2 * (CACHE_VALUE_MAX + 256))
#define SHARED_ROOM ((size_t)64 << 20) /* pages that changes under way copy */

/* The root of a program that runs as root must not be led elsewhere, nor write for others. */
static bool cache_file_is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	       st.st_uid == geteuid() && (st.st_mode & 022) == 0;
}

static int cache_file_find(const char *path, struct error *err)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int fd = open(path, flags);

	if (fd >= 0 && cache_file_is_ours(fd))
		return fd;
	if (fd >= 0 || errno != ENOENT) {
		log_warning(
			"cache %s is not a file of this program alone: a new one takes its place",
			path);
		mem_closep(&fd);
		if (unlink(path) < 0 && errno != ENOENT)
			return error_errno(err, "remove %s", path);
	}
	fd = open(path, flags | O_CREAT | O_EXCL, 0600);
	return fd < 0 ? error_errno(err, "create %s", path) : fd;
}

/* By its descriptor: the file is the one that was looked at, wherever the name leads by now. */
static int cache_file_map(struct cache_file *cache)
{
	int before = mark_begin(cache->mark), r;
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", cache->fd);
	if (mdb_env_create(&cache->env) != 0)
		mem_exhausted();
	mdb_env_set_assert(cache->env, mark_assertion);
	mdb_env_set_maxdbs(cache->env, 2);
	mdb_env_set_mapsize(cache->env, SHARED_ROOM + (size_t)cache->entries * ENTRY_ROOM);
	r = mdb_env_open(cache->env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | MDB_NORDAHEAD,
			 0600);
	mark_end(before);
	if (r != 0) {
		mdb_env_close(cache->env);
		cache->env = NULL;
	}
	return r;
}

static int cache_file_throw_away(struct cache_file *cache, const char *why, struct error *err)
{
	log_warning("cache %s is damaged (%s): it begins anew, empty", cache->path, why);
	if (ftruncate(cache->fd, 0) < 0 || (cache->mark >= 0 && ftruncate(cache->mark, 0) < 0))
		return error_errno(err, "truncate %s", cache->path);
	return 0;
}

static int cache_file_begin(struct cache_file *cache, bool bad, struct error *err)
{
	int r = bad ? cache_file_throw_away(cache, "processes ended in it", err) : 0, code;

	if (r < 0)
		return r;
	code = cache_file_map(cache);
	if (code == 0)
		return 0;
	if (!cache->locked)
		return error_set(err, -EBUSY, "cache %s: another process has it: %s", cache->path,
				 mdb_strerror(code));
	r = cache_file_throw_away(cache, mdb_strerror(code), err);
	if (r < 0)
		return r;
	code = cache_file_map(cache);
	return code == 0 ? 0
			 : error_set(err, code > 0 ? -code : -EIO, "open cache %s: %s", cache->path,
				     mdb_strerror(code));
}

/*
 * LMDB believes what stands in its file. A signal leaves a note by itself (base/mark.h), but a damaged heap
 * or an endless loop ends a process without one.
 */
static bool cache_notes_are_bad(struct view notes)
{
	size_t unproven = 0;

	for (size_t i = notes.len; i > 0 && notes.data[i - 1] == CACHE_NOTE_OPENED[0]; i--)
		unproven++;
	return unproven >= UNPROVEN_MAX || view_find_byte(notes, 'x') != VIEW_NOT_FOUND ||
	       notes.len >= NOTES_MAX;
}

/* What the processes before left, and that there is one more now. */
static int cache_notes_begin(struct cache_file *cache, bool *bad, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	char notes[NOTES_MAX];
	ssize_t n;

	str_printf(&path, "%s.crashed", cache->path);
	cache->mark = mark_open(str_cstr(&path));
	if (cache->mark < 0 || !cache_file_is_ours(cache->mark))
		return error_set(err, -EPERM, "open %s: not a file of this program alone",
				 str_cstr(&path));

	_cleanup_fd_ int fd = open(str_cstr(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	n = fd < 0 ? -1 : read(fd, notes, sizeof(notes));
	if (n < 0)
		return error_errno(err, "read %s", str_cstr(&path));

	struct view found = view_make(notes, (size_t)n);

	if (!cache->locked)
		return 0; /* whoever has it works with it */
	*bad = cache_notes_are_bad(found);
	if (n > 0 && found.data[n - 1] != CACHE_NOTE_OPENED[0] && ftruncate(cache->mark, 0) < 0)
		return error_errno(err, "truncate %s", str_cstr(&path));
	return 0;
}

/* The first process makes the pages that LMDB begins with. */
static void cache_wait_begun(const struct cache_file *cache)
{
	struct stat st;

	for (int i = 0; i < EMPTY_PATIENCE && fstat(cache->fd, &st) == 0 && st.st_size == 0; i++)
		usleep(1000);
}

static int cache_file_open_named(struct cache_file *cache, struct error *err)
{
	_cleanup_(str_free) struct str folder = STR_EMPTY;
	bool bad = false;
	int r;

	io_folder_of(cache->path, &folder);
	r = io_make_directories(str_cstr(&folder), 0755, err);
	if (r == 0)
		r = cache->fd = cache_file_find(cache->path, err);
	if (r < 0)
		return r;
	/* For as long as it is looked at here, without a note: see the end. */
	cache->locked = flock(cache->fd, LOCK_EX | LOCK_NB) == 0;
	if (!cache->locked)
		cache_wait_begun(cache);
	r = cache_notes_begin(cache, &bad, err);
	if (r == 0)
		r = cache_file_begin(cache, bad, err);
	cache->locked = false;
	if (r == 0)
		cache_file_lock(cache);
	return r;
}

static int cache_file_open_memory(struct cache_file *cache, struct error *err)
{
	cache->fd = memfd_create("cache", MFD_CLOEXEC);
	if (cache->fd < 0)
		return error_errno(err, "make a cache in memory");
	cache->proven = cache->locked = true;
	return cache_file_begin(cache, false, err);
}

int cache_file_open(const char *path, uint64_t entries, struct cache_file **out, struct error *err)
{
	_cleanup_(cache_file_closep) struct cache_file *cache = mem_new(struct cache_file);
	int r;

	WAITLIST_INIT(&cache->changed);
	cache->fd = cache->mark = -1;
	cache->entries = MIN(MAX(entries, 1), CACHE_ENTRIES_MAX);
	cache->path = mem_strdup(path == NULL ? "in memory" : path);
	cache->synced = cache->opened = clock_now();
	r = path == NULL ? cache_file_open_memory(cache, err) : cache_file_open_named(cache, err);
	*out = r < 0 ? NULL : TAKE(cache);
	return r;
}

int cache_file_open_map(const char *parameter, const char *map, uint64_t entries,
			struct cache_file **cache, struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	size_t colon = view_find_last_byte(view_of(map), ':');
	struct view file =
		colon == VIEW_NOT_FOUND ? view_of(map) : view_from(view_of(map), colon + 1);

	if (file.len > 0 && file.data[0] == '/')
		str_printf(&path, "%.*s.posta", VIEW_ARG(file));
	else if (file.len > 0)
		log_warning("%s = %s is no file: it is kept in memory", parameter, map);
	return cache_file_open(path.len > 0 ? str_cstr(&path) : NULL, entries, cache, err);
}

void cache_file_closep(struct cache_file **cache)
{
	cache_file_close(*cache);
}
