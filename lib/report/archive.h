/*
 * What reports come packed in: gzip, zip, or nothing. The bytes are a stranger's: nothing is believed but
 * what can be checked, names of members are not looked at, and what is unpacked is not unpacked again.
 * Bounds: ARCHIVE_TEXT_MAX bytes unpacked from one, ARCHIVE_MEMBERS_MAX members of it.
 */
#ifndef REPORT_ARCHIVE_H
#define REPORT_ARCHIVE_H

#include "base/error.h"
#include "base/str.h"

#define ARCHIVE_TEXT_MAX    ((size_t)32 << 20)
#define ARCHIVE_MEMBERS_MAX 10

/*
 * Calls `each` for every text in it; a negative result of that ends it and is returned. 0, or -EBADMSG
 * (it is damaged, or of a kind that is not read), -EFBIG, with a reason.
 */
int archive_read(struct view bytes, int (*each)(void *argument, struct view text), void *argument,
		 struct error *err);

#endif
