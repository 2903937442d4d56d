/*
 * Contexts (RFC 5267): results of a SEARCH or SORT with RETURN (UPDATE), which the client hears the changes of, until it
 * leaves the mailbox or says CANCELUPDATE. All that there is of one is in struct search_context: the keys, the order and the
 * results as the client has them. What time alone changes (YOUNGER, OLDER) is told when something else changes.
 */
#ifndef IMAPD_CONTEXT_H
#define IMAPD_CONTEXT_H

#include "sort.h"

/* Is there one with the tag of the present command already (BAD)? */
bool context_has_tag(const struct imap_session *s);
/*
 * The results, in their order; `sorting` NULL: that of the mailbox. True: search and sorting are the context's from now on, they
 * stay where they are. False: there are too many (the client hears NOUPDATE).
 */
bool context_begin(struct imap_session *s, struct search *search, struct sorting *sorting,
		   const uint32_t *seqs, size_t count);
/*
 * The ESEARCH answer of a command, and its context where the client wants updates. *kept: as context_begin says.
 */
int context_answer(struct imap_session *s, struct search *search, struct sorting *sorting,
		   uint32_t *seqs, size_t count, bool *kept);
/* "* NO [NOUPDATE tag]" */
int context_refuse(struct imap_session *s, const char *why);

/* In the mailbox that was just refreshed: before the client hears what is gone, and after it has heard all. 0 or the stream's error. */
int contexts_before(struct imap_session *s, const struct mailbox_changes *changes);
int contexts_after(struct imap_session *s, const struct mailbox_changes *changes);
/* The mailbox is left. */
void contexts_end(struct imap_session *s);

#endif
