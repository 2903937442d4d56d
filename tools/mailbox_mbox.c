/* posta mailbox: what export to and import from mbox files agree on. */
#include "base/mem.h"
#include "tools/mailbox.h"

bool mbox_is_own_field(struct view name)
{
	static const char *const own[] = {
		"Status", "X-Status",	"X-Keywords",	    "Content-Length",	 "X-UID",
		"X-IMAP", "X-IMAPbase", "X-Mozilla-Status", "X-Mozilla-Status2", "X-Mozilla-Keys"
	};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (view_is_nocase(name, own[i]))
			return true;
	return false;
}
