/* What policy servers say: whatever comes, an action is one clean line of bounded length. */
#include <stdlib.h>

#include "base/mem.h"
#include "policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view input = view_make(data, size);
	size_t step = size > 0 ? data[0] % 16U + 1 : 1;
	struct policy_reply reply = { 0 };
	int r = 0;

	input = view_from(input, 1);
	while (r == 0 && input.len > 0) {
		size_t used;

		r = policy_reply_feed(&reply, view_first(input, step), &used);
		if (used > step || (r == 0 && used != MIN(step, input.len)))
			abort();
		input = view_from(input, used);
		if (reply.line.len > POLICY_ACTION_MAX || reply.action.len > POLICY_ACTION_MAX)
			abort();
	}
	if (r > 0 && (reply.action.len == 0 || view_has_control(str_view(&reply.action))))
		abort();
	policy_reply_free(&reply);
	return 0;
}
