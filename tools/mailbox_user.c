/* posta mailbox: whose rights are in force. */
#include "tools/mailbox.h"
#include "tools/place.h"
#include "tools/tool.h"

int mailbox_act_as_user(struct mailbox_request *q)
{
	struct place place = { q->user.uid, q->user.gid };
	int r = place_enter(&place);

	return r < 0 ? tool_fail("mailbox", "act as %s: %s", q->user.name, strerror(-r))
		     : TOOL_DONE;
}
