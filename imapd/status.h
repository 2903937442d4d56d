/* What is told of a mailbox that need not be selected: STATUS, and LIST and NOTIFY that tell the same. cmd_status.c */
#ifndef IMAPD_STATUS_H
#define IMAPD_STATUS_H

#include "session.h"

enum {
	STATUS_MESSAGES = 1,
	STATUS_RECENT = 2,
	STATUS_UIDNEXT = 4,
	STATUS_UIDVALIDITY = 8,
	STATUS_UNSEEN = 16,
	STATUS_SIZE = 32,
	STATUS_DELETED = 64,
	STATUS_HIGHESTMODSEQ = 128,
	STATUS_MAILBOXID = 256,
	STATUS_APPENDLIMIT = 512,
	STATUS_DELETED_STORAGE = 1024,
};

/* "(MESSAGES UNSEEN)" */
int status_parse_items(struct imap_session *s, unsigned *items);
/* *failed: the store's error, in which case nothing is sent. Returns the stream's. */
int status_send(struct imap_session *s, struct view name, unsigned items, int *failed);

#endif
