/*
 * gzip (RFC 1952) of a text that comes in pieces, for reports that are sent.
 *
 *	struct gzip_writer *gzip = gzip_writer_new();
 *	gzip_writer_put(gzip, text) ...;
 *	gzip_writer_end(gzip, &out);		frees it
 */
#ifndef REPORT_COMPRESS_H
#define REPORT_COMPRESS_H

#include "base/str.h"

struct gzip_writer;
struct gzip_writer *gzip_writer_new(void);
void gzip_writer_put(struct gzip_writer *writer, struct view text);
void gzip_writer_end(struct gzip_writer *writer, struct str *out);

#endif
