/* The content of a message on the wire: dots stuffed (RFC 5321 4.5.2), CR LF . CR LF at its end. */
#ifndef SMTP_CONTENT_H
#define SMTP_CONTENT_H

#include "base/io.h"
#include "task/stream.h"

/*
 * 0; -EIO: the file cannot be read; else what the stream says. Lines of more than `line_limit`
 * bytes (at least 2) are broken by CR LF and a blank.
 */
int content_send(struct stream *io, const struct io_source *content, size_t line_limit);
/* A byte outside of ASCII in the header of the content: 1, 0, -EIO. */
int content_header_is_8bit(const struct io_source *content);

#endif
