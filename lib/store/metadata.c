/*
 * Annotations of folders and of the account (RFC 5464), in small files beside the mail: they outlive the index and
 * move with the folder. What entries may be called is the server's matter.
 */
#include <errno.h>

#include "base/encode.h"
#include "base/mem.h"
#include "store/folders.h"
#include "store/small_file.h"

#define METADATA_FILE	     "posta-metadata"
#define METADATA_SERVER_FILE "posta-metadata-server"

struct metadata_work {
	struct view name; /* of the folder; empty: the account */
	struct view entry, value;
};

/* The directory and the file in it. -ENOENT: there is no such folder. */
static int metadata_place(struct tx *tx, struct view name, struct str *directory, const char **file)
{
	struct folder folder;
	int r;

	*file = METADATA_SERVER_FILE;
	if (name.len == 0) {
		str_append_cstr(directory, tx->store->path);
		return 0;
	}
	*file = METADATA_FILE;
	r = folder_find(tx, name, &folder);
	if (r == 0)
		folder_directory(tx->store, &folder, directory);
	return r;
}

/* "entry base64": false for what is none. */
static bool metadata_line(struct view line, struct view *entry, struct str *value)
{
	size_t space = view_find_byte(line, ' ');

	str_clear(value);
	*entry = view_first(line, space);
	return space != VIEW_NOT_FOUND && space > 0 &&
	       base64_decode(value, view_from(line, space + 1)) == 0;
}

int store_metadata_each(struct store *store, struct view name,
			int (*each)(void *argument, struct view entry, struct view value),
			void *argument)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY, text = STR_EMPTY, value = STR_EMPTY;
	struct view rest, line, entry;
	const char *file;
	struct tx tx;
	int r = folders_sync(store);

	if (r == 0)
		r = store_read(store, &tx);
	if (r < 0)
		return r;
	r = metadata_place(&tx, name, &directory, &file);
	tx_end(&tx);
	if (r < 0)
		return r;
	r = small_file_read(str_cstr(&directory), file, SMALL_FILE_MAX, &text);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	rest = str_view(&text);
	while (r == 0 && view_next(&rest, '\n', &line))
		if (metadata_line(line, &entry, &value))
			r = each(argument, entry, view_make(str_cstr(&value), value.len));
	return r;
}

/* Under the lock of the index, so that no other process's entry is lost. */
static int metadata_work(struct tx *tx, void *argument)
{
	_cleanup_(str_free) struct str directory = STR_EMPTY, text = STR_EMPTY, value = STR_EMPTY,
				       now = STR_EMPTY;
	struct metadata_work *work = argument;
	struct view rest, line, entry;
	const char *file;
	size_t count = 0;
	int r = metadata_place(tx, work->name, &directory, &file);

	if (r < 0)
		return r;
	/* What cannot be read is not to be replaced by what is new. */
	r = small_file_read(str_cstr(&directory), file, SMALL_FILE_MAX, &text);
	if (r < 0 && r != -ENOENT)
		return r;
	rest = str_view(&text);
	while (view_next(&rest, '\n', &line)) {
		if (!metadata_line(line, &entry, &value) || view_eq_nocase(entry, work->entry))
			continue;
		str_append(&now, line);
		str_append_byte(&now, '\n');
		count++;
	}
	if (work->value.data != NULL) {
		if (count == METADATA_ENTRIES_MAX)
			return -ERANGE;
		str_append(&now, work->entry);
		str_append_byte(&now, ' ');
		base64_encode(&now, work->value);
		str_append_byte(&now, '\n');
	}
	if (now.len > SMALL_FILE_MAX)
		return -ERANGE;
	return small_file_write(str_cstr(&directory), file, str_view(&now));
}

int store_metadata_set(struct store *store, struct view name, struct view entry, struct view value)
{
	struct metadata_work work = { name, entry, value };

	return folders_write(store, metadata_work, &work);
}
