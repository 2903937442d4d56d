/* What a message of APPEND and REPLACE is made of: a literal, or pieces of messages that are there (CATENATE, RFC 4469). */
#ifndef IMAPD_APPEND_SOURCE_H
#define IMAPD_APPEND_SOURCE_H

#include "session.h"

#define CATENATE_PARTS_MAX 1000 /* of one message */

struct append_source {
	struct append *append; /* where it goes */
	uint64_t size, max;    /* bytes so far, and at most */
	char last;	       /* byte that was written */
	/* What makes the command fail; the rest of it is read all the same. */
	int failed;	    /* the store's error */
	struct str bad_url; /* one that leads to nothing, */
	bool has_bad_url;   /* if there is one */
	bool too_big;
};

/* From the literal, or CATENATE, to its end. Of the parser and the stream only; the store's error is in source->failed. */
int append_source_read(struct imap_session *s, struct append_source *source);
/* Did it fail for another reason than the store's? Then answered with NO. */
bool append_source_is_bad(const struct append_source *source);
int append_source_refuse(struct imap_session *s, const struct append_source *source);

#endif
