/*
 * Delivery into a Maildir, by the user's own process. The index learns of it later; the file is
 * what counts.
 */
#include "store/deliver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/deliver_keywords.h"
#include "store/names.h"
#include "store/pack.h"

#define COPY_BLOCK 65536

struct delivered_sizes {
	uint64_t size, wire_size, packed;
};

/* Copies the content; counts what CRs are missing for the W= size. A usual message is one write. */
static int copy_content(struct packer *to, const struct mail_source *source,
			struct delivered_sizes *sizes)
{
	size_t block_size = (size_t)MIN((uint64_t)COPY_BLOCK, source->content.size);
	_cleanup_free_ char *block = mem_resize(NULL, source->prefix.len + block_size, 1);
	size_t filled = source->prefix.len;
	uint64_t done = 0, bare = 0;
	char last = '\0';
	int r = 0;

	if (filled > 0)
		memcpy(block, source->prefix.data, filled);
	do {
		size_t want = (size_t)MIN((uint64_t)block_size, source->content.size - done);
		char *at = block + filled;

		r = io_source_read(&source->content, at, want, done);
		if (r < 0)
			return r == -ENODATA ? -EIO : r;
		for (size_t i = 0; i < want; i++) {
			bare += at[i] == '\n' && last != '\r';
			last = at[i];
		}
		r = packer_write(to, view_make(block, filled + want));
		filled = 0;
		done += want;
	} while (r == 0 && done < source->content.size);
	sizes->size = source->prefix.len + done;
	sizes->wire_size = sizes->size + bare;
	return r < 0 ? r : packer_end(to, &sizes->packed);
}

/* Writes tmp/<name>, durable. */
static int write_temporary(const char *path, const struct mail_source *source,
			   struct delivered_sizes *sizes, struct error *err)
{
	_cleanup_(packer_freep) struct packer *packer = NULL;
	_cleanup_fd_ int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return error_errno(err, "create %s", path);
	packer = packer_new(fd, source->packs);
	r = copy_content(packer, source, sizes);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	/* Some file systems tell of a full disk only now. */
	if (close(TAKE_FD(fd)) < 0 && r == 0)
		r = -errno;
	if (r < 0) {
		unlink(path);
		return error_code(err, r, "write %s", path);
	}
	return 0;
}

/* ---- a delivery that is done again ---- */

/* A file of that name, whatever a session has put after it. 1, 0, or a negative errno. */
static int folder_has(const char *directory, const char *part, struct view unique,
		      struct error *err)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct dirent *entry;
	DIR *folder;
	int found = 0;

	str_printf(&path, "%s/%s", directory, part);
	folder = opendir(str_cstr(&path));
	if (folder == NULL)
		return errno == ENOENT ? 0 : error_errno(err, "read %s", str_cstr(&path));
	errno = 0;
	while (found == 0 && (entry = readdir(folder)) != NULL) {
		struct view name = view_of(entry->d_name);

		found = view_starts(name, unique) && name.len > unique.len &&
			strchr(",:", name.data[unique.len]) != NULL;
	}
	if (found == 0 && errno != 0)
		found = error_errno(err, "read %s", str_cstr(&path));
	closedir(folder);
	return found;
}

/* It may be there and not yet durable. */
static int sync_parts(const char *directory, struct error *err)
{
	static const char *const parts[] = { "new", "cur" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++) {
		_cleanup_(str_free) struct str path = STR_EMPTY;

		str_printf(&path, "%s/%s", directory, parts[i]);
		r = io_sync_directory(str_cstr(&path));
		if (r < 0)
			r = error_code(err, r, "fsync %s", str_cstr(&path));
	}
	return r;
}

/* new/ first: what a session moves meanwhile, it moves from there to cur/. 1: done before. */
static int was_delivered(const char *directory, struct view unique, struct error *err)
{
	int r = folder_has(directory, "new", unique, err);

	if (r == 0)
		r = folder_has(directory, "cur", unique, err);
	if (r > 0)
		r = sync_parts(directory, err);
	else
		return r;
	return r < 0 ? r : 1;
}

/* From tmp/ to new/ or cur/, where nothing of that name may be. 1: it was there. */
static int move_to_new(const char *from, const char *to, struct error *err)
{
	int r = io_rename_new(from, to);

	if (r == -EEXIST)
		return 1;
	return r < 0 ? error_code(err, r, "rename %s to %s", from, to) : 0;
}

/* new/ for what nobody has touched; what has flags is in cur/. */
static void delivered_path(const char *directory, struct view base, unsigned flags,
			   uint64_t letters, struct str *name, struct str *part, struct str *path)
{
	str_printf(part, "%s/%s", directory, flags != 0 || letters != 0 ? "cur" : "new");
	if (flags != 0 || letters != 0)
		file_name_build(name, base, 0, flags, letters);
	else
		str_append(name, base);
	str_printf(path, "%s/%s", str_cstr(part), str_cstr(name));
}

/* Where it goes, with which keywords. */
struct delivery_place {
	const char *maildir, *directory; /* the folder's */
	struct view folder;
	uint64_t letters;
};

static int deliver_into(const struct delivery_place *place, const struct mail_source *source,
			struct str *name, struct error *err)
{
	const char *directory = place->directory;
	_cleanup_(str_free) struct str unique = STR_EMPTY, from = STR_EMPTY, to = STR_EMPTY;
	_cleanup_(str_free) struct str file = STR_EMPTY, part = STR_EMPTY;
	struct delivered_sizes sizes = { 0 };
	int r;

	file_name_unique(&unique);
	str_printf(&from, "%s/tmp/%s", directory, str_cstr(&unique));
	if (source->identity.len > 0) {
		str_clear(&unique);
		file_name_identity(&unique, source->arrival, source->identity);
		r = source->again ? was_delivered(directory, str_view(&unique), err) : 0;
		if (r != 0)
			return r < 0 ? r : 0;
	}
	r = source->admit != NULL ? source->admit(source, place->maildir, place->folder, err) : 0;
	if (r < 0)
		return r;
	r = write_temporary(str_cstr(&from), source, &sizes, err);
	if (r < 0)
		return r;
	file_name_add_sizes(&unique, sizes.size, sizes.wire_size, sizes.packed);
	delivered_path(directory, str_view(&unique), source->flags & FLAGS_SYSTEM, place->letters,
		       &file, &part, &to);
	r = move_to_new(str_cstr(&from), str_cstr(&to), err);
	if (r != 0) {
		unlink(str_cstr(&from));
		return r < 0 ? r : sync_parts(directory, err);
	}
	r = io_sync_directory(str_cstr(&part));
	if (r < 0) {
		/* Not known to be durable, so it will be delivered again: do not leave this one. */
		unlink(str_cstr(&to));
		return error_code(err, r, "fsync %s", str_cstr(&part));
	}
	if (name != NULL)
		str_append(name, str_view(&file));
	return 0;
}

int maildir_deliver(const char *maildir, struct view folder, bool create_folder,
		    const struct mail_source *source, struct str *name, struct error *err)
{
	_cleanup_(str_free) struct str normal = STR_EMPTY, directory = STR_EMPTY;
	struct mail_source admitted = *source;
	struct delivery_place place = { .maildir = maildir };
	int r;

	if (folder.len == 0)
		folder = VIEW("INBOX");
	r = store_name_normalize(folder, &normal, err);
	if (r < 0)
		return r;
	folder_path_append(&directory, maildir, str_view(&normal));
	if (source->keywords.len > 0 && access(str_cstr(&directory), F_OK) == 0)
		place.letters = delivery_letters(source, maildir, str_view(&normal));
	place.directory = str_cstr(&directory);
	place.folder = str_view(&normal);
	r = deliver_into(&place, source, name, err);
	if (r != -ENOENT || !(view_is(str_view(&normal), "INBOX") || create_folder))
		return r;
	/* Something of the folder is missing: made once, and not looked for at each message. */
	r = store_name_may_be_made(str_view(&normal), err);
	if (r == 0)
		r = maildir_create(maildir, str_view(&normal), err);
	if (r < 0)
		return r;
	if (source->keywords.len > 0)
		place.letters = delivery_letters(source, maildir, str_view(&normal));
	admitted.admit = NULL;
	return deliver_into(&place, &admitted, name, err);
}
