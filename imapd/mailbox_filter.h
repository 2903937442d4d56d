/*
 * Which mailboxes a command means (RFC 5465 6, RFC 7377 2.2): "personal", "subtree Lists" and so on. Names are taken
 * as they stand, without wildcards; one that no mailbox can have matches nothing.
 */
#ifndef IMAPD_MAILBOX_FILTER_H
#define IMAPD_MAILBOX_FILTER_H

#include "session.h"

#define FILTER_NAMES_MAX 1000 /* in one filter */

enum filter_kind {
	FILTER_SELECTED,
	FILTER_SELECTED_DELAYED, /* NOTIFY alone */
	FILTER_PERSONAL,	 /* also "inboxes": Sieve scripts deliver to any */
	FILTER_SUBSCRIBED,
	FILTER_SUBTREE,
	FILTER_SUBTREE_ONE, /* ESEARCH alone */
	FILTER_MAILBOXES,
};

struct mailbox_filter {
	enum filter_kind kind;
	char **names; /* as the store has them; "": the level above all but INBOX */
	size_t count;
};

/* One of them. mailbox_filter_free in every case. */
int mailbox_filter_parse(struct imap_session *s, struct mailbox_filter *filter);
void mailbox_filter_free(struct mailbox_filter *filter);
/* Not asked of the two kinds that mean the selected mailbox. */
bool mailbox_filter_matches(const struct mailbox_filter *filter, struct view name, bool subscribed);

#endif
