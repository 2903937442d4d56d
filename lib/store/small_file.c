/* The small files beside the mail: read whole, replaced whole. What stands in them is told by who uses them. */
#include "store/small_file.h"

#include <errno.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/store.h"

int small_file_read(const char *directory, const char *name, size_t limit, struct str *out)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;

	str_printf(&path, "%s/%s", directory, name);
	return io_read_file(str_cstr(&path), limit, out, NULL);
}

bool small_file_is_none(int r)
{
	return r == -ENOENT || r == -EFBIG || r == -EINVAL;
}

int small_file_read_if_there(const char *directory, const char *name, size_t limit, struct str *out)
{
	int r = small_file_read(directory, name, limit, out);

	if (r < 0)
		str_clear(out);
	if (r < 0 && small_file_is_none(r))
		return 0;
	return r < 0 ? r : 1;
}

int small_file_write(const char *directory, const char *name, struct view content)
{
	_cleanup_(str_free) struct str path = STR_EMPTY;
	struct error err;

	str_printf(&path, "%s/%s", directory, name);

	int r = io_replace_file(str_cstr(&path), content, 0600, &err);

	if (r < 0)
		log_warning("%s", err.text);
	return r;
}

int folder_special_use(const char *directory, struct view name, unsigned *use)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, word;
	int r = small_file_read_if_there(directory, SPECIAL_USE_FILE, SMALL_FILE_MAX, &text);

	*use = r <= 0 ? store_name_special_use(name) : 0;
	rest = str_view(&text);
	while (r > 0 && view_next_word(&rest, " \n", &word))
		*use |= store_use_find(word);
	return MIN(r, 0);
}

int folder_mailbox_id(const char *directory, struct str *id)
{
	_cleanup_(str_free) struct str text = STR_EMPTY;
	struct view rest, word;
	int r = small_file_read(directory, MAILBOX_ID_FILE, SMALL_FILE_MAX, &text);

	if (r < 0)
		return small_file_is_none(r) ? -ENOENT : r;
	rest = str_view(&text);
	if (!view_next_word(&rest, " \r\n", &word) || !store_keyword_is_valid(word))
		return -ENOENT;
	str_append(id, word);
	return 0;
}
