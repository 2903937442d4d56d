/* smtp_header_checks, smtp_mime_header_checks, smtp_nested_header_checks, smtp_body_checks. */
#ifndef SMTP_CHECKS_H
#define SMTP_CHECKS_H

#include "base/error.h"
#include "convert.h"

/* Opens the tables, before the chroot. */
int checks_prepare(struct error *err);
bool checks_have_fields(void);
bool checks_have_lines(void);
/*
 * A whole header field, a line of a body without its end: 1 with what takes its place in *out (with
 * line ends; nothing: it goes), 0 as it is, or a negative errno: a table cannot answer now.
 */
int checks_field(const char *id, enum converter_place place, struct view whole, struct str *out);
int checks_line(const char *id, struct view line, struct str *out);

#endif
