/* The DATA decoder: the same in one piece and in many, and every line ends in CR LF. */
#include "base/mem.h"
#include "base/str.h"
#include "mail/dotstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void append(void *argument, struct view bytes)
{
	str_append(argument, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;

	_cleanup_(str_free) struct str whole = STR_EMPTY, pieces = STR_EMPTY;
	struct dotstream a = DOTSTREAM_START, b = DOTSTREAM_START;
	struct view in = view_make(data + 1, size - 1);
	size_t used = dotstream_feed(&a, in, append, &whole), used_b = 0;
	size_t step = data[0] % 16U + 1;

	while (used_b < in.len && !b.ended)
		used_b += dotstream_feed(&b, view_first(view_from(in, used_b), step), append,
					 &pieces);
	if (used != used_b || a.ended != b.ended || a.state != b.state ||
	    !view_eq(str_view(&whole), str_view(&pieces)))
		abort();
	for (size_t i = 0; i < whole.len; i++) {
		if (whole.data[i] == '\n' && (i == 0 || whole.data[i - 1] != '\r'))
			abort();
		if (whole.data[i] == '\r' && (i + 1 == whole.len || whole.data[i + 1] != '\n'))
			abort();
	}
	return 0;
}
