/*
 * What a content becomes on its way out: in whatever pieces it comes the same, without work to do the
 * same as it was.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "convert.h"

static int collect(void *argument, struct view bytes)
{
	str_append(argument, bytes);
	return 0;
}

static void convert(struct view content, bool to_7bit, size_t piece, struct str *out)
{
	struct converter *c = converter_new(
		&(struct converter_work){ .to_7bit = to_7bit, .put = collect, .argument = out });

	while (content.len > 0) {
		struct view part = view_first(content, piece);

		if (converter_feed(c, part) < 0)
			abort();
		content = view_from(content, part.len);
	}
	if (converter_end(c) < 0)
		abort();
	converter_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(str_free) struct str whole = STR_EMPTY, pieces = STR_EMPTY, same = STR_EMPTY;
	struct view content = view_make(data, size);

	convert(content, true, size + 1, &whole);
	convert(content, true, 3, &pieces);
	convert(content, false, 7, &same);
	if (!view_eq(str_view(&whole), str_view(&pieces)) || !view_eq(str_view(&same), content))
		abort();
	return 0;
}
