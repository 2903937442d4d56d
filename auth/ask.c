/* Rounds of an exchange with the client, for whatever mechanism. Judges nothing. */
#include <errno.h>

#include "auth.h"
#include "base/mem.h"

void exchange_wipe(struct view received)
{
	if (received.len > 0)
		mem_wipe((void *)(uintptr_t)received.data, received.len);
}

void exchange_forget_said(struct exchange *x)
{
	if (x->said.data != NULL)
		mem_wipe(x->said.data, x->said.size);
	str_clear(&x->said);
}

int exchange_ask(struct exchange *x, struct view challenge)
{
	struct message m;
	int r = ipc_send(x->ipc, auth_challenge, .bytes = challenge);

	exchange_forget_said(x);
	if (r == 0)
		r = ipc_receive(x->ipc, &m);
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	if (m.type == MSG_auth_cancel)
		return EXCHANGE_CANCELLED;
	if (m.type != MSG_auth_response) {
		message_close_fd(&m);
		return -EBADMSG;
	}
	str_append(&x->said, m.auth_response.bytes);
	exchange_wipe(m.auth_response.bytes);
	return 0;
}
