/*
 * posta mailbox: what its parts share. The store is worked on with the user's own rights; what the
 * administrator names on the command line is opened and read with those of its owner (tools/place.h).
 */
#ifndef TOOLS_MAILBOX_H
#define TOOLS_MAILBOX_H

#include <stdio.h>

#include "base/map.h"
#include "store/store.h"
#include "user/user.h"

struct mailbox_request {
	struct user user;
	struct store *store; /* NULL: not opened yet */
	char **folders;	     /* NULL-terminated */
	const char *maildir, *mbox;
	bool json;
	/* Of an import into one folder: how many messages of each name it has, and how many came. */
	struct map *known, *came;
};

/* From here on with the user's rights. A tool_status. */
int mailbox_act_as_user(struct mailbox_request *q);

#define IMPORT_KEYWORDS_MAX 64 /* of one message */

/* A message of the source, to be put into a folder. */
struct import_message {
	struct view content;
	bool crlf;	    /* as it is to be stored; false: with any line ends */
	struct view unique; /* what it is known by: the same next time */
	unsigned flags;
	const struct view *keywords;
	size_t keyword_count;
	int64_t date; /* APPEND_NOW: now */
};
/*
 * Makes the folder if need be, and looks what it has: what came in an earlier import is not taken again.
 * 0 or a tool_status, said to standard error. import_end in every case.
 */
int import_begin(struct mailbox_request *q, const char *folder);
/* *known: it is there already. */
int import_put(struct mailbox_request *q, const char *folder, const struct import_message *message,
	       bool *known);
void import_end(struct mailbox_request *q);

/*
 * Fields of an mbox that say something of a message and are none of it: Status, X-Status, X-Keywords,
 * Content-Length and their kin. Export leaves them out and writes its own, import takes them off.
 */
bool mbox_is_own_field(struct view name);

/* All of --maildir, or of --mbox into q->folders[0]. A tool_status. */
int import_maildir(struct mailbox_request *q);
int import_mbox(struct mailbox_request *q);

/* migrate_imap.c: posta mailbox import USER --imap HOST, after the word import. A tool_status. */
int mailbox_import_imap(int argc, char **argv);

/* mailbox_export.c: the folders as one mbox, to `out`. A tool_status. */
int export_mbox(struct mailbox_request *q, FILE *out);

/* mailbox_release.c: a Maildir for Dovecot. A tool_status. */
int mailbox_run_release(struct mailbox_request *q);

#endif
