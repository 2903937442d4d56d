/* FETCH items for which a part is decoded: BINARY and PREVIEW. */
#ifndef IMAPD_FETCH_CONTENT_H
#define IMAPD_FETCH_CONTENT_H

#include "fetch.h"

/*
 * The value of BINARY[] or BINARY.SIZE[], appended. -ENOENT: there is no such part. -EOPNOTSUPP: it is encoded
 * in a way that is not known. -EFBIG: it is too large to be decoded.
 */
int fetch_append_binary(struct imap_session *s, uint32_t seq, const struct fetch_item *item,
			struct str *line);
/* The begin of a message's text (RFC 8970), as a string. */
int fetch_append_preview(struct imap_session *s, uint32_t seq, struct str *line);

#endif
