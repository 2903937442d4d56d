/* What Dovecot's authentication server says: whatever comes, what is kept of it is bounded and clean. */
#include <stdlib.h>

#include "base/encode.h"
#include "base/mem.h"
#include "dovecot_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view input = view_make(data, size), line;
	_cleanup_(str_free) struct str escaped = STR_EMPTY;

	while (view_next(&input, '\n', &line)) {
		struct dovecot_reply reply = { .word = DOVECOT_OTHER };

		if (dovecot_reply_parse(line, &reply) == 0) {
			struct view name = str_view(&reply.name);

			if (reply.data.len > IPC_SASL_MAX || name.len > IPC_ADDRESS_MAX ||
			    view_has_control(name) || view_has_control(str_view(&reply.reason)))
				abort();
			if (reply.word == DOVECOT_MECH && !mechanism_is_name(name))
				abort();
			if (reply.word == DOVECOT_OK && name.len == 0)
				abort();
		}
		dovecot_reply_free(&reply);
	}
	tab_escape(&escaped, view_make(data, size));
	if (view_find_byte(str_view(&escaped), '\n') != VIEW_NOT_FOUND ||
	    view_find_byte(str_view(&escaped), '\t') != VIEW_NOT_FOUND)
		abort();
	return 0;
}
