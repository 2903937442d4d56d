/*
 * What a client wants to hear of at any time (RFC 5465), and what it knows already. There is one way to notice: all that
 * is asked for is looked at again when something has happened (watch.c), and compared with what the client knows.
 * All of it is in struct notify.
 */
#ifndef IMAPD_NOTIFY_H
#define IMAPD_NOTIFY_H

#include "fetch.h"
#include "mailbox_filter.h"

#define NOTIFY_GROUPS_MAX    50
#define NOTIFY_MAILBOXES_MAX 1000 /* whose messages or annotations are looked at */

enum {
	NOTIFY_MESSAGE_NEW = 1,
	NOTIFY_MESSAGE_EXPUNGE = 2,
	NOTIFY_FLAG_CHANGE = 4,
	NOTIFY_MAILBOX_NAME = 8,
	NOTIFY_SUBSCRIPTION = 16,
	NOTIFY_MAILBOX_METADATA = 32,
	NOTIFY_SERVER_METADATA = 64,

	NOTIFY_MESSAGES = 7,
};

/* Annotations: their names, and what tells whether a value is still the same. */
struct notify_notes {
	struct notify_note {
		char *entry;
		uint64_t hash;
	} * items;
	size_t count;
};

struct notify_folder {
	char *name;
	struct folder_info info; /* its name is the one above */
	unsigned events;	 /* that are asked for of it */
	bool counted;		 /* `status` is known */
	bool renamed;		 /* it has another name now */
	struct folder_status status;
	struct notify_notes notes;
};

/* All that can be told of, at one time. */
struct notify_view {
	struct notify_folder *folders; /* in store_list's order */
	size_t count;
	struct map *by_name;
	struct notify_notes server;
};

struct notify {
	struct notify_group {
		struct mailbox_filter filter;
		unsigned events;
	} groups[NOTIFY_GROUPS_MAX];
	size_t group_count;
	unsigned selected; /* events of the selected mailbox */
	bool has_selected, delayed;
	struct fetch *fetch; /* of messages that are new there; NULL: nothing */
	struct notify_view known;
	msec_t next_look; /* not before, so that a busy user costs no more than a part of the time */
};

/* notify_view.c. -E2BIG: there are too many mailboxes. The caller frees it in every case. */
int notify_view_read(struct imap_session *s, const struct notify *n, struct notify_view *view);
void notify_view_free(struct notify_view *view);
struct notify_folder *notify_view_find(const struct notify_view *view, struct view name);

/* cmd_notify.c: after the name of the command. -ENOTSUP: an event that is not known here. notify_free in every case. */
int notify_parse(struct imap_session *s, struct notify *n, bool *status);

/* notify.c */

/* It is in force from now on, in place of the one before; NULL: none was ever asked for. */
void notify_begin(struct imap_session *s, struct notify *n);
void notify_free(struct notify *n);
/* What happened in other mailboxes. 0, 1: it is too early to look, or the stream's error. */
int notify_look(struct imap_session *s);
/* Of messages that are new in the selected mailbox. */
int notify_new_messages(struct imap_session *s);
/* Is anything to be told between commands? */
bool notify_is_listening(const struct imap_session *s);

#endif
