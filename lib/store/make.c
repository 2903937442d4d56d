/*
 * Making a Maildir and its folders, as directories: for deliveries, and for the index, which learns
 * of them afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/deliver.h"
#include "store/names.h"

/*
 * Makes a directory, and is sure of it: what a crash could undo must not hold a message. 1: made,
 * 0: was there.
 */
static int delivery_make_directory(const char *path, struct error *err)
{
	if (mkdir(path, 0700) == 0)
		return 1;
	if (errno != EEXIST)
		return error_errno(err, "create folder %s", path);
	return 0;
}

static int delivery_make_folder(const char *directory, bool is_inbox, struct error *err)
{
	static const char *const parts[] = { "cur", "new", "tmp" };
	_cleanup_(str_free) struct str path = STR_EMPTY;
	int made = delivery_make_directory(directory, err);

	for (size_t i = 0; made >= 0 && i < ARRAY_SIZE(parts); i++) {
		str_clear(&path);
		str_printf(&path, "%s/%s", directory, parts[i]);

		int r = delivery_make_directory(str_cstr(&path), err);

		made = r < 0 ? r : made + r;
	}
	if (made <= 0)
		return made;
	if (!is_inbox) {
		str_clear(&path);
		str_printf(&path, "%s/maildirfolder", directory);

		_cleanup_fd_ int fd = open(str_cstr(&path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		if (fd < 0)
			return error_errno(err, "create %s", str_cstr(&path));
	}
	made = io_sync_directory(directory);
	if (made == 0) {
		str_clear(&path);
		str_printf(&path, "%s/..", directory);
		made = io_sync_directory(str_cstr(&path));
		/* The place that the Maildir is in may be another's. */
		if (made == -EACCES)
			made = 0;
	}
	if (made < 0) {
		errno = -made;
		return error_errno(err, "fsync folder %s", directory);
	}
	return 0;
}

int maildir_create(const char *maildir, struct view folder, struct error *err)
{
	_cleanup_(str_free) struct str name = STR_EMPTY, root = STR_EMPTY, path = STR_EMPTY;
	int r;

	if (folder.len == 0)
		folder = VIEW("INBOX");
	r = store_name_normalize(folder, &name, err);
	if (r < 0)
		return r;
	folder_path_append(&root, maildir, VIEW_NONE);
	if (root.len > 0 && access(str_cstr(&root), F_OK) < 0 && errno == ENOENT) {
		r = io_make_directories(str_cstr(&root), 0700, err);
		if (r < 0)
			return r;
	}
	r = delivery_make_folder(root.len > 0 ? str_cstr(&root) : "/", true, err);
	if (r < 0 || view_is(str_view(&name), "INBOX"))
		return r;
	folder_path_append(&path, maildir, str_view(&name));
	return delivery_make_folder(str_cstr(&path), false, err);
}
