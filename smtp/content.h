/* The content of a message on the wire: dots stuffed (RFC 5321 4.5.2), CR LF . CR LF at its end. */
#ifndef SMTP_CONTENT_H
#define SMTP_CONTENT_H

#include "base/io.h"
#include "convert.h"
#include "task/stream.h"

struct content_options {
	size_t line_limit; /* bytes (at least 2); longer lines are broken by CR LF and a blank */
	bool to_7bit;	   /* 8-bit bodies as quoted-printable (convert.h) */
	/* May change what is sent, as struct converter_work has it; or NULL. */
	converter_edit *edit;
	converter_edit_line *edit_line;
	void *edit_argument;
};
/* 0; -EIO: the file cannot be read, or a field not edited now; else what the stream says. */
int content_send(struct stream *io, const struct io_source *content,
		 const struct content_options *options);
/* A byte outside of ASCII in the header of the content: 1, 0, -EIO. */
int content_header_is_8bit(const struct io_source *content);

#endif
