/* Leaving the selected mailbox. How one is selected: cmd_select.c. */
#include "fetch.h"

void imap_close_mailbox(struct imap_session *s)
{
	opened_message_close(s->message);
	mailbox_close(TAKE(s->mailbox));
}
