/* posta mailbox release: the mailboxes as Dovecot wants them, for the way back. */
#include "store/release.h"
#include "tools/mailbox.h"
#include "tools/tool.h"

static void release_told(void *argument, const char *folder, size_t count)
{
	(void)argument;
	printf("%s: %zu messages\n", folder, count);
}

int mailbox_run_release(struct mailbox_request *q)
{
	struct error err = ERROR_NONE;

	if (store_release(q->store, release_told, NULL, &err) < 0)
		return tool_fail("mailbox", "release %s: %s", q->user.mail, err.text);
	return TOOL_DONE;
}
