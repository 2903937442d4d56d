/*
 * SORT and THREAD (RFC 5256; SORT=DISPLAY, RFC 5957): what of a message they compare. Headers come from the
 * index where it has them.
 */
#ifndef IMAPD_SORT_H
#define IMAPD_SORT_H

#include "search.h"

/* Bytes of a subject, address or name that are kept of each message, and compared. */
#define SORT_TEXT_MAX 1000

/*
 * The base subject of a Subject field's body (RFC 5256 2.1), decoded, in the form that is compared, in place of *out. Returns
 * whether something was taken off that shows a reply or a message that was forwarded.
 */
bool sort_base_subject(struct view field_body, struct str *out);
/* The criteria of a SORT, which outlive the command. */
struct sorting;
struct sorting *sorting_new(void);
void sorting_free(struct sorting *sorting);
/* "(REVERSE DATE SUBJECT)" */
int sort_parse_criteria(struct imap_session *s, struct sorting *sorting);
/* In place. Switches tasks where it takes long. */
void sort_seqs(struct imap_session *s, struct sorting *sorting, uint32_t *seqs, size_t count);
/* Where a message belongs among messages that are in this order: from 0 on. */
size_t sort_position(struct imap_session *s, struct sorting *sorting, const uint32_t *uids,
		     size_t count, uint32_t seq);
/* When a message was sent: its Date field, or when it came. */
int64_t sort_sent_date(struct imap_session *s, uint32_t seq, struct view header);
/*
 * cmd_sort.c: "charset keys" after the algorithm or the criteria, and their search: sequence numbers to be freed. -EINVAL:
 * answered with NO.
 */
int sort_search(struct imap_session *s, struct search *search, uint32_t **seqs, size_t *count);

/* thread.c */

struct thread_message {
	uint32_t number; /* what the answer tells: a sequence number or UID */
	int64_t date;
	char *id; /* of the Message-ID; NULL: none */
	char **references;
	size_t reference_count;
	char *subject; /* the base subject */
	bool is_reply;
};
#define THREAD_REFERENCES_MAX 100     /* of one message: the last ones */
#define THREAD_ALL_REFERENCES 1000000 /* of all; messages after that have their last one only */
#define THREAD_ID_MAX	      998     /* bytes: a line (RFC 5322 2.1.1); a longer one is none */
#define THREAD_DEPTH_MAX      1000 /* messages above one; what would be deeper is a thread of its own */

/* Appends "(1 2)(3)" and so on. `messages` are in the order of the mailbox. Other tasks run meanwhile. */
void thread_by_references(struct str *out, const struct thread_message *messages, size_t count);
void thread_by_subject(struct str *out, const struct thread_message *messages, size_t count);

/* cmd_thread.c */

/* What a header refers to: the last `max` of References, or the first of In-Reply-To. Into an empty message. */
void thread_read_references(struct view header, size_t max, struct thread_message *m);
void thread_message_release(struct thread_message *m);

#endif
