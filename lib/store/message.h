/* Messages' files and the cache. Of lib/store only. */
#ifndef STORE_MESSAGE_H
#define STORE_MESSAGE_H

#include "store/mailbox.h"

int message_record(struct mailbox *mailbox, uint32_t seq, struct mail *mail);
/* Opens the file, wherever it is by now. */
int message_open(struct mailbox *mailbox, uint32_t seq, struct mail *mail, int *fd, uint64_t *size);
/* Size with CRLF: bytes plus LFs that have no CR. */
int message_count_wire_size(int fd, uint64_t *wire_size);
/* An unnamed file with the content in CRLF form. */
int message_convert(struct mailbox *mailbox, int fd, int *converted, uint64_t *size);

#endif
