/*
 * The file maildirsize of Maildir++: "1000000S,100C" and lines "bytes messages", which add up. Other
 * programs read it, and one that a server before this one left can say what the limit is. Nothing of ours is counted
 * by it. Of lib/store only, but for quota.h.
 */
#ifndef STORE_MAILDIRSIZE_H
#define STORE_MAILDIRSIZE_H

#include "store/quota.h"

/* All that there is, in place of what stands there. */
void maildirsize_write(const char *maildir, const struct quota_size *limits,
		       const struct quota_size *used);
/* One more message. False: the file is to be written anew. */
bool maildirsize_add(const char *maildir, uint64_t bytes);

#endif
