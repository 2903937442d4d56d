/*
 * The content of a mail in a message, as the fields content_offset, content_size, content and file.
 * Content of at most IPC_CONTENT_MAX bytes that is in memory goes along; else the descriptor does.
 *
 *	r = ipc_send(ipc, mailbox_deliver, .user = user, CONTENT_SENT(&source));
 *	r = CONTENT_TAKEN(&m.mailbox_deliver, &source);
 */
#ifndef IPC_CONTENT_H
#define IPC_CONTENT_H

#include "base/io.h"
#include "ipc/ipc.h"

#define CONTENT_SENT(source)                                                                       \
	.content_offset = (source)->offset, .content_size = (source)->size,                        \
	.content = view_make((source)->bytes, (source)->bytes ? (source)->size : 0),               \
	.file = (source)->bytes ? 0 : (source)->file

/*
 * The descriptor becomes source->file, which the caller closes in any case (-1: none); bytes are
 * those of the message. 0, or -EBADMSG: the message has neither, or not as many as it says.
 */
#define CONTENT_TAKEN(m, source)                                                                   \
	content_take(&(m)->file, (m)->content_offset, (m)->content_size, (m)->content, (source))
int content_take(int *file, uint64_t offset, uint64_t size, struct view bytes,
		 struct io_source *source);

#endif
