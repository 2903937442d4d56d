/* A file of the maildrop as any local user may write it: line after line, up to the content. */
#include <stdlib.h>

#include "queue/maildrop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct maildrop_head head = { 0 };
	struct view rest = view_make(data, size), line, rcpt;
	enum maildrop_line kind = MAILDROP_MAIL;

	while ((kind == MAILDROP_MAIL || kind == MAILDROP_RCPT) && view_next(&rest, '\n', &line)) {
		kind = maildrop_head_take(&head, line, &rcpt);
		if (kind == MAILDROP_RCPT &&
		    (rcpt.len == 0 || rcpt.len > IPC_ADDRESS_MAX || !head.has_sender))
			abort();
		if (kind == MAILDROP_CONTENT && !head.has_rcpt)
			abort();
	}
	if (head.sender.len > IPC_ADDRESS_MAX || head.envid.len > IPC_TEXT_MAX)
		abort();
	maildrop_head_free(&head);
	return 0;
}
