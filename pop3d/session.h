/*
 * The mailbox side of POP3: the TRANSACTION and UPDATE states of RFC 1939.
 *
 * A session sees the maildrop as it was at login: numbers, sizes (with CRLF) and UIDLs stay, whatever
 * other sessions do meanwhile. Only QUIT removes what DELE marked.
 */
#ifndef POP3D_SESSION_H
#define POP3D_SESSION_H

#include "session/session.h"
#include "store/store.h"

#define POP3_COMMAND_MAX 1024 /* octets of a command line */
#define POP3_UIDL_MAX	 70   /* RFC 1939 7 */

struct maildrop {
	struct mailbox *box;
	uint32_t count;
	uint64_t *sizes; /* of message n at n - 1 */
	bool *deleted, *seen;
	uint32_t deleted_count;
	uint64_t total; /* size of what is not deleted */
	uint64_t deleted_size;
};

/* maildrop.c */

/* 0 or a negative errno. maildrop_close in both cases. */
int maildrop_open(struct store *store, struct maildrop *drop);
void maildrop_close(struct maildrop *drop);
/* The unique id of a message, by pop3_uidl_format unless it had one before, appended; at most POP3_UIDL_MAX octets. */
int maildrop_uidl(struct maildrop *drop, uint32_t number, const char *format, struct str *out);
void maildrop_delete(struct maildrop *drop, uint32_t number);
/* Takes all marks off. */
void maildrop_reset(struct maildrop *drop);
/* Removes what is marked. 0 or a negative errno: nothing was removed. */
int maildrop_update(struct maildrop *drop);
/* Gives \Seen to what was retrieved. */
void maildrop_mark_seen(struct maildrop *drop);

/* header_digest.c */

/* Dovecot's %m: an MD5 of Date, Received and so on, in hexadecimal, appended. `header` with line ends of any kind. */
void header_digest(struct view header, struct str *out);

/* transfer.c */

#define TRANSFER_ALL UINT64_MAX
/*
 * Sends a content with dots stuffed and the end mark: the header, the empty line and at most `lines`
 * lines of the body. *sent counts octets.
 */
int transfer_content(struct stream *io, int fd, uint64_t size, uint64_t lines, uint64_t *sent);

/* session.c */

/* One client from "+OK Logged in" to goodbye. */
void pop3_session_serve(struct stream *io, const struct session_client *client,
			struct store *store);

#endif
