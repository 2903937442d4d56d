/* Leaving the selected mailbox. How one is selected: cmd_select.c. */
#include "base/mem.h"
#include "context.h"

void imap_close_mailbox(struct imap_session *s)
{
	opened_message_close(s->message);
	contexts_end(s);
	s->told_uidnext = 0;
	free(TAKE(s->saved.uids));
	s->saved.count = 0;
	mailbox_close(TAKE(s->mailbox));
}
