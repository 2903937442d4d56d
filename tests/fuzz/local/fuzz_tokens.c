/* The right side of an alias, an :include: file, a .forward. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "table/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view rest = view_make(data, size);
	_cleanup_(str_free) struct str text = STR_EMPTY;
	enum token_kind kind;
	struct error err;
	size_t before;
	int r;

	do {
		before = rest.len;
		r = token_next(&rest, &text, &kind, &err);
		if (r != 0 && rest.len >= before)
			abort(); /* it would never end */
		if (r == 1 && (text.len == 0 || text.len > TOKEN_TEXT_MAX ||
			       view_find_byte(str_view(&text), '\0') != VIEW_NOT_FOUND ||
			       view_find_byte(str_view(&text), '\n') != VIEW_NOT_FOUND))
			abort();
	} while (r != 0);
	return 0;
}
