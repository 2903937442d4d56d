/* Small files in a Maildir. Of lib/store only. */
#ifndef STORE_SMALL_FILE_H
#define STORE_SMALL_FILE_H

#include <stdbool.h>

#include "base/str.h"

#define SMALL_FILE_MAX	 ((size_t)4 << 20)
#define SPECIAL_USE_FILE "posta-special-use"
#define MAILBOX_ID_FILE	 "posta-mailbox-id"

int small_file_read(const char *directory, const char *name, size_t limit, struct str *out);
/*
 * Of what that returned: there is none, or what is there is none of ours. Of other failures (no descriptor left, the
 * disk) nothing follows, and what cannot be read now is not to be replaced.
 */
bool small_file_is_none(int r);
/* Reads what need not be there. 1: read; 0: there is none (as above), and nothing is in *out; negative: it cannot be read now. */
int small_file_read_if_there(const char *directory, const char *name, size_t limit,
			     struct str *out);
/* Durable; a failure is logged. */
int small_file_write(const char *directory, const char *name, struct view content);

/* What a folder is for: as its file says, or its name; also where the file cannot be read now: then a negative errno. */
int folder_special_use(const char *directory, struct view name, unsigned *use);
/* The MAILBOXID that a folder has got already: 0, -ENOENT, or another errno: nobody knows. */
int folder_mailbox_id(const char *directory, struct str *id);

#endif
