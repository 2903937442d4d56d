/* URLs that name a message, or a piece of one, from inside a session (RFC 5092, as RFC 4469 uses them). */
#ifndef IMAPD_MESSAGE_URL_H
#define IMAPD_MESSAGE_URL_H

#include "fetch.h"

/* "/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.2.MIME/;PARTIAL=0.1024" */
struct message_url {
	struct str mailbox; /* as the store has it; empty: the one that is selected */
	uint64_t uidvalidity, uid;
	struct section section;
};

/* Of this server and user, so without either. False: it is none. *url is empty before; to be freed in any case. */
bool message_url_parse(struct view text, struct message_url *url);
void message_url_free(struct message_url *url);

#endif
