/*
 * POP3 UIDLs by a format, as Dovecot's pop3_uidl_format has it: "%08Xu%08Xv". Between '%' and the letter
 * may stand 0 (filled with zeros), a width, and X (hexadecimal).
 */
#ifndef STORE_UIDL_H
#define STORE_UIDL_H

#include "base/str.h"

#define UIDL_MAX 70 /* RFC 1939 7 */

/*
 * What stands for a letter: *number, or bytes that are appended to *out, and then 1. -EINVAL: there is no such
 * letter; other errors: it cannot be had now.
 */
typedef int uidl_field(void *argument, char letter, unsigned long *number, struct str *out);
/* Appended; what no UIDL may have becomes '_'. What the field returned where that is negative. */
int uidl_format(struct str *out, const char *format, uidl_field *field, void *argument);
/* 0, or -EINVAL: a letter that is not in `letters`, or nothing that differs from message to message. */
int uidl_format_check(const char *format, const char *letters);

#endif
