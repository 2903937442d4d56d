/* What servers of tables say: whatever comes, a value is bounded and has no control characters. */
#include <stdlib.h>

#include "base/mem.h"
#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view input = view_make(data, size);
	enum table_protocol protocol = size > 0 && data[0] % 4 == 3 ? TABLE_SERVER_MEMCACHE
				       : size > 0 && data[0] % 2    ? TABLE_SERVER_TCP
								    : TABLE_SERVER_SOCKETMAP;
	size_t step = size > 0 ? data[0] / 4U % 16U + 1 : 1;
	struct table_reply reply = { 0 };
	int r = 0;

	input = view_from(input, 1);
	while (r == 0 && input.len > 0) {
		size_t used;

		r = table_reply_feed(&reply, protocol, view_first(input, step), &used);
		if (used > step || (r == 0 && used != MIN(step, input.len)))
			abort();
		input = view_from(input, used);
		if (reply.bytes.len > SOCKETMAP_REPLY_MAX + 2)
			abort();
	}
	if (r > 0 && (view_has_control(str_view(&reply.value)) ||
		      view_has_control(str_view(&reply.text)) || reply.outcome > TABLE_FAILED))
		abort();
	table_reply_free(&reply);
	return 0;
}
