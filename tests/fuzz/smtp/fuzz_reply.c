/* Lines of a server's replies. */
#include <stdlib.h>

#include "base/mem.h"
#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(reply_free) struct reply reply = { 0 };
	struct view rest = view_make(data, size), line;

	while (view_next(&rest, '\n', &line)) {
		int r = reply_add_line(&reply, view_first(line, REPLY_LINE_MAX));

		if (view_has_control(str_view(&reply.text)) ||
		    reply.text.len > REPLY_TEXT_MAX + REPLY_LINES_MAX)
			abort();
		if (r > 0 && (reply.code < 200 || reply.code > 599 ||
			      reply.status[0] != '0' + reply.code / 100))
			abort();
		if (r != 0)
			reply_clear(&reply);
	}
	return 0;
}
