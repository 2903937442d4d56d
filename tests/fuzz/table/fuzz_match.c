/* Match lists: the text up to the first line end is the list, the rest the subject. */
#include <stdlib.h>

#include "base/mem.h"
#include "table/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view text = view_make(data, size), list;

	/* Neither files nor the host's own tables: the text alone is what is tried. */
	if (size < 2 || !view_next(&text, '\n', &list) || view_find_byte(list, '/') == 1 ||
	    view_find(list, VIEW(":/")) != VIEW_NOT_FOUND ||
	    view_find(list, VIEW(" /")) != VIEW_NOT_FOUND ||
	    view_find(list, VIEW("regexp")) != VIEW_NOT_FOUND)
		return 0;

	_cleanup_free_ char *copy = mem_strndup(list.data + 1, list.len ? list.len - 1 : 0);
	struct matchlist *matches =
		matchlist_open(copy, (enum matchlist_kind)(data[0] % 3), data[0] & 4, NULL);

	if (matches != NULL)
		matchlist_match(matches, text, NULL);
	matchlist_close(matches);
	return 0;
}
