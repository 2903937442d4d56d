/* Connections that sleep, on the mailbox side: what is kept of them, and how they come back (hibernate.c). */
#ifndef IMAPD_HIBERNATE_H
#define IMAPD_HIBERNATE_H

#include "session.h"

/*
 * Waits until the client says something, at a place where the session may be left and begun again: between
 * commands, and in IDLE. 0, or an error of the stream.
 */
int imap_await_client(struct imap_session *s, enum imap_rest kind);

/* For struct session_program; all connections of this process, or the one with this stream. */
msec_t imap_sessions_resting(struct str *folders);
void imap_sessions_tidy_up(void);
bool imap_session_give_way(const struct stream *io);
int imap_session_lay_down(const struct stream *io, struct session_bed *bed);

/* A connection whose client slept: what its next bytes need. Negative: it cannot go on. */
int imap_wake_up(struct imap_session *s);
/*
 * The selected mailbox and the rest, if they were not needed yet: before the first command, or before
 * anything is told. What has changed is to be told at once.
 */
int imap_restore(struct imap_session *s);
/* cmd_idle.c: goes on with an IDLE that was answered in another process. */
int imap_idle_resume(struct imap_session *s, struct view tag);

/* deflate.c */
bool imap_compress_is_on(const struct stream *io);
/* True also where COMPRESS is off. */
bool imap_compress_can_sleep(const struct stream *io);
/* Appends what the client's next bytes may refer to; what we send begins anew. */
int imap_compress_save(struct stream *io, struct str *out);
int imap_compress_resume(struct stream *io, struct view saved);

#endif
