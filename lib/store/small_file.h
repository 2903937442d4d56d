/* Small files in a Maildir. Of lib/store only. */
#ifndef STORE_SMALL_FILE_H
#define STORE_SMALL_FILE_H

#include "base/str.h"

#define SMALL_FILE_MAX	 ((size_t)4 << 20)
#define SPECIAL_USE_FILE "posta-special-use"
#define MAILBOX_ID_FILE	 "posta-mailbox-id"

int small_file_read(const char *directory, const char *name, size_t limit, struct str *out);
/* Durable; a failure is logged. */
int small_file_write(const char *directory, const char *name, struct view content);

#endif
