/* Names of folders from clients, names of files from anybody. */
#include <stdlib.h>

#include "base/mem.h"
#include "store/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view text = view_make(data, size);
	_cleanup_(str_free) struct str out = STR_EMPTY, again = STR_EMPTY;
	struct file_name name, built;

	if (store_name_normalize(text, &out, NULL) == 0) {
		/* What becomes a directory is one part of a path, and stays as it is. */
		if (view_find_byte(str_view(&out), '/') != VIEW_NOT_FOUND || out.data[0] == '.')
			abort();
		if (store_name_normalize(str_view(&out), &again, NULL) < 0 ||
		    !view_eq(str_view(&out), str_view(&again)))
			abort();
	}
	str_clear(&out);
	if (file_name_parse(text, &name) && name.base.len <= FILE_BASE_MAX) {
		file_name_build(&out, name.base, 17, name.flags, name.letters);
		if (out.len > FILE_NAME_MAX || !file_name_parse(str_view(&out), &built) ||
		    built.uid != 17 || built.flags != name.flags || built.letters != name.letters ||
		    !view_eq(built.base, name.base))
			abort();
	}
	return 0;
}
