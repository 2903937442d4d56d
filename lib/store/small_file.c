/* The small files beside the mail: read whole, replaced whole. What stands in them is told by who uses them. */
#include "store/small_file.h"

#include <errno.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"

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
