/*
 * What a run that fills a folder from another server needs of the store: names, UIDs, notes. The messages
 * come by append.c.
 */
#include "store/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/io.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/folders.h"
#include "store/names.h"
#include "store/small_file.h"

#define NOTES_FILE "posta-import"
#define UIDLS_FILE "posta-uidls"
#define UIDLS_MAX  ((size_t)256 << 20)

/* ---- names ---- */

void import_source(char name[IMPORT_SOURCE_SIZE + 1], struct view host, struct view login,
		   struct view folder, uint32_t uidvalidity)
{
	_cleanup_(str_free) struct str text = STR_EMPTY, hex = STR_EMPTY;
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	str_append_lower(&text, host);
	str_append_byte(&text, '\0');
	str_append(&text, login);
	str_append_byte(&text, '\0');
	str_append(&text, folder);
	str_append_byte(&text, '\0');
	str_printf(&text, "%u", uidvalidity);
	sha256_init(&sha);
	sha256_update(&sha, text.len, (const uint8_t *)text.data);
	sha256_digest(&sha, sizeof(digest), digest);
	hex_encode(&hex, view_make(digest, IMPORT_SOURCE_SIZE / 2));
	memcpy(name, str_cstr(&hex), IMPORT_SOURCE_SIZE + 1);
}

void import_unique(struct str *out, const char *source, int64_t date, uint32_t uid)
{
	str_printf(out, "%" PRId64 ".I%sU%u.import", MAX(date, 0), source, uid);
}

uint32_t import_uid_of(struct view name, const char *source)
{
	size_t dot = view_find_byte(name, '.');
	struct view rest = view_from(name, dot == VIEW_NOT_FOUND ? name.len : dot + 1);
	uint32_t uid;

	if (rest.len < IMPORT_SOURCE_SIZE + 2 || rest.data[0] != 'I' ||
	    !view_starts(view_from(rest, 1), view_of(source)) ||
	    rest.data[IMPORT_SOURCE_SIZE + 1] != 'U')
		return 0;
	rest = view_from(rest, IMPORT_SOURCE_SIZE + 2);
	rest = view_first(rest, view_find_byte(rest, '.'));
	return view_parse_u32(rest, UINT32_MAX, &uid) == 0 ? uid : 0;
}

/* ---- UIDs ---- */

struct uids_work {
	struct view name;
	bool restart;
	uint32_t uidvalidity, from, to;
};

static int uids_work(struct tx *tx, void *argument)
{
	const struct uids_work *work = argument;
	struct folder folder;
	int r = folder_find(tx, work->name, &folder);

	if (r == 0 && folder.r.adopt)
		r = -EAGAIN;
	if (r < 0)
		return r;
	if (work->restart && folder.r.messages > 0)
		return -ENOTEMPTY;
	if (!work->restart && folder.r.uidnext != work->from)
		return -EEXIST;
	if (work->restart)
		r = folder_restart(tx, &folder, work->uidvalidity);
	if (r == 0 && work->to > folder.r.uidnext)
		r = folder_reserve_uids(tx, &folder, work->to - folder.r.uidnext);
	if (r < 0)
		return r;
	folder.r.uidnext = MAX(folder.r.uidnext, work->to);
	folder.r.first_recent = MAX(folder.r.first_recent, folder.r.uidnext);
	return folder_save(tx, &folder);
}

static int uids_change(struct store *store, struct view name, struct uids_work *work)
{
	_cleanup_(str_free) struct str normal = STR_EMPTY;
	struct folder_status status;
	int r = store_name_normalize(name, &normal, NULL);

	if (r == 0 && work->to > IMPORT_UID_MAX)
		r = -ERANGE;
	work->name = str_view(&normal);
	/* What was delivered meanwhile has its number first. */
	if (r == 0)
		r = store_status(store, name, &status);
	return r < 0 ? r : folders_write(store, uids_work, work);
}

int import_take_uids(struct store *store, struct view name, uint32_t uidvalidity, uint32_t uidnext)
{
	struct uids_work work = { .restart = true, .uidvalidity = uidvalidity, .to = uidnext };

	return uids_change(store, name, &work);
}

int import_take_more_uids(struct store *store, struct view name, uint32_t from, uint32_t to)
{
	struct uids_work work = { .from = from, .to = to };

	return uids_change(store, name, &work);
}

/* ---- notes ---- */

static int import_directory(struct store *store, struct view name, struct str *directory)
{
	_cleanup_(str_free) struct str normal = STR_EMPTY;
	int r = store_name_normalize(name, &normal, NULL);

	if (r == 0)
		folder_path_append(directory, store->path, str_view(&normal));
	return r;
}

int import_notes_read(struct store *store, struct view name, struct str *notes)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY;
	int r = import_directory(store, name, &directory);

	if (r == 0)
		r = small_file_read_if_there(str_cstr(&directory), NOTES_FILE, IMPORT_NOTES_MAX,
					     notes);
	return r == 0 ? -ENOENT : MIN(r, 0);
}

int import_notes_write(struct store *store, struct view name, struct view notes)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY;
	int r = import_directory(store, name, &directory);

	if (r == 0 && notes.len > IMPORT_NOTES_MAX)
		r = -EFBIG;
	return r < 0 ? r : small_file_write(str_cstr(&directory), NOTES_FILE, notes);
}

int import_uidls_add(struct store *store, struct view name, struct view lines)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	_cleanup_fd_ int fd = -1;
	int r = import_directory(store, name, &path);

	if (r < 0)
		return r;
	str_append_cstr(&path, "/" UIDLS_FILE);
	fd = open(str_cstr(&path), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = io_write_all(fd, lines.data, lines.len);
	return r == 0 && fdatasync(fd) < 0 ? -errno : r;
}

int import_uidls_read(const char *directory, struct map *uidls)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, line, unique;
	int r = small_file_read_if_there(directory, UIDLS_FILE, UIDLS_MAX, &text);

	if (r <= 0)
		return r;
	rest = str_view(&text);
	while (view_next(&rest, '\n', &line))
		if (view_next_word(&line, " ", &unique) && (line = view_trim(line)).len > 0)
			free(map_put(uidls, unique, mem_strndup(line.data, line.len)));
	return 0;
}

/* ---- one at a time ---- */

int import_lock(struct store *store, int *lock)
{
	_cleanup_fd_ int fd =
		open(store_path(store), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	*lock = TAKE_FD(fd);
	return 0;
}
