/*
 * posta mailbox: what its parts share. The store is worked on with the user's own rights; what the
 * administrator names on the command line is opened and read with those of its owner (tools/place.h).
 */
#ifndef TOOLS_MAILBOX_H
#define TOOLS_MAILBOX_H

#include <stdio.h>

#include "store/store.h"
#include "user/user.h"

struct mailbox_request {
	struct user user;
	struct store *store; /* NULL: not opened yet */
	char **folders;	     /* NULL-terminated */
	const char *maildir, *mbox;
	bool json;
};

/* From here on with the user's rights. A tool_status. */
int mailbox_act_as_user(struct mailbox_request *q);

/* A message of the source, to be put into a folder. */
struct import_message {
	struct view content; /* any line ends */
	unsigned flags;
	const struct view *keywords;
	size_t keyword_count;
	int64_t date; /* 0: now */
};
/* 0 or a tool_status, said to standard error. */
int import_put(struct mailbox_request *q, const char *folder, const struct import_message *message);
int import_make_folder(struct mailbox_request *q, const char *folder);

/* All of --maildir, or of --mbox into q->folders[0]. A tool_status. */
int import_maildir(struct mailbox_request *q);
int import_mbox(struct mailbox_request *q);

/* mailbox_export.c: the folders as one mbox, to `out`. A tool_status. */
int export_mbox(struct mailbox_request *q, FILE *out);

#endif
